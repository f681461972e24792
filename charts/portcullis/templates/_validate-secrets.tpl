{{- define "portcullis.wrong.secrets" -}}
{{- $sources := list }}
{{- if .Values.secret.create }}{{ $sources = append $sources "secret.create" }}{{ end }}
{{- if .Values.secret.existingSecret }}{{ $sources = append $sources "secret.existingSecret" }}{{ end }}
{{- if .Values.externalSecrets.enabled }}{{ $sources = append $sources "externalSecrets.enabled" }}{{ end }}
{{- if gt (len $sources) 1 }}
- "{{ join " and " $sources }}: a Secret has one source; keep one"
{{- end }}
{{- if and .Values.secret.create (not .Values.development) }}
- "secret.create puts secrets into values and into the release's record: for development alone, say development: true; else use externalSecrets or secret.existingSecret"
{{- end }}
{{- if and (not .Values.secret.create) .Values.secret.data }}
- "secret.data is read with secret.create alone"
{{- end }}
{{- if and (include "portcullis.makesMigrationSecret" .) (not (and .Values.migrations.externalSecret (or .Values.migrations.externalSecret.secrets .Values.migrations.externalSecret.dataFrom))) }}
- "migrations.mode {{ .Values.migrations.mode }} needs MIGRATION_DATABASE_URL: fill migrations.externalSecret.secrets or name migrations.existingSecret"
{{- end }}
{{- if .Values.externalSecrets.enabled }}
{{- $made := list }}
{{- range .Values.externalSecrets.secrets }}{{ range .data }}{{ $made = append $made .secretKey }}{{ end }}{{ end }}
{{- if not .Values.externalSecrets.dataFrom }}
{{- range .Values.secret.keys }}{{ if not (has . $made) }}
- "secret.keys has {{ . }}, which no entry of externalSecrets.secrets makes"
{{- end }}{{ end }}
{{- end }}
{{- if ne (len $made) (len (uniq $made)) }}
- "externalSecrets.secrets makes a key twice"
{{- end }}
{{- end }}
{{- if .Values.secret.create }}
{{- range .Values.secret.keys }}{{ if not (hasKey $.Values.secret.data .) }}
- "secret.data lacks {{ . }}"
{{- end }}{{ end }}
{{- end }}
{{- if and .Values.externalSecrets.secretStore.create .Values.serviceAccount.create (eq .Values.migrations.mode "job") (regexMatch (printf `"serviceAccountRef":\{[^{}]*"name":"%s"` (include "portcullis.serviceAccountName" .)) (toJson .Values.externalSecrets.secretStore.provider)) }}
- "externalSecrets.secretStore.provider names the ServiceAccount {{ include "portcullis.serviceAccountName" . }}, which the chart makes after the migration would need it: name one that is there, or set migrations.mode to initContainer"
{{- end }}
{{- if and .Values.externalSecrets.secretStore.create (not .Values.externalSecrets.secretStore.provider) }}
- "externalSecrets.secretStore.create needs a provider"
{{- end }}
{{- end }}

{{- /* Names that the server refuses at boot (`reserved` in config/env.ts; a test compares) */ -}}
{{- define "portcullis.reserved" -}}
{{- join "," (list "KILL_SWITCH" "KILL_SWITCH_FILE" "AUDIT_MODE" "AUDIT_SIGNING_KEY" "REDACTION_PATH" "ADMIN_TOKEN") -}}
{{- end }}

{{- define "portcullis.wrong.toCome" -}}
{{- $parts := dict "admin" "administration port (ADMIN_TOKEN)" "audit" "audit log (AUDIT_MODE, AUDIT_SIGNING_KEY)" "redaction" "redaction (REDACTION_PATH)" "killSwitch" "kill switch (KILL_SWITCH)" }}
{{- range $part, $name := $parts }}
{{- if (index $.Values $part).enabled }}
- "{{ $part }}.enabled: this version of the server has no {{ $name }}, and refuses to boot with its settings; leave it false"
{{- end }}
{{- end }}
{{- end }}
