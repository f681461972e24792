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
{{- if and .Values.secret.create (eq .Values.migrations.mode "job") (not .Values.migrations.existingSecret) }}
- "secret.create makes the Secret after the migration Job would need it: set migrations.mode to initContainer"
{{- end }}
{{- if and (not .Values.secret.create) .Values.secret.data }}
- "secret.data is read with secret.create alone"
{{- end }}
{{- if and (include "portcullis.makesMigrationSecret" .) (not (and .Values.migrations.externalSecret .Values.migrations.externalSecret.secrets)) }}
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
{{- $needed := .Values.secret.keys }}
{{- if eq .Values.migrations.mode "initContainer" }}{{ $needed = append $needed "MIGRATION_DATABASE_URL" }}{{ end }}
{{- range $needed }}{{ if not (hasKey $.Values.secret.data .) }}
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

{{- define "portcullis.wrong.env" -}}
{{- $secrets := splitList "," (include "portcullis.secretVariables" .) }}
{{- $reserved := splitList "," (include "portcullis.reserved" .) }}
{{- $own := concat (include "portcullis.env" . | fromYaml | keys | sortAlpha) (list "NODE_OPTIONS" "POD_NAME" "POD_IP" "NODE_NAME" "HOST_IP" "OTEL_RESOURCE_ATTRIBUTES" "OTEL_EXPORTER_OTLP_ENDPOINT") .Values.secret.keys }}
{{- $names := concat (keys .Values.secret.data | sortAlpha) .Values.secret.keys }}
{{- range .Values.extraEnv }}
{{- $names = append $names .name }}
{{- if and (has .name $secrets) (hasKey . "value") }}
- "extraEnv has {{ .name }} as text, in the clear in values and Deployment: put it into the Secret, and its name into secret.keys"
{{- end }}
{{- if has .name $own }}
- "extraEnv has {{ .name }}, which the chart sets itself: use env, or the value it comes from"
{{- end }}
{{- end }}
{{- range list "PORTCULLIS_ENV" "HOST" "DB_POOL_MAX" }}
{{- if not (get $.Values.env .) }}
- "env.{{ . }} can't be unset: the server's own default is one for a developer's machine"
{{- end }}
{{- end }}
{{- range uniq $names }}
{{- if has (trimSuffix "_FILE" .) $reserved }}
- "{{ . }}: this version of the server has no part that reads it, and refuses to boot with it"
{{- end }}
{{- end }}
{{- if and (eq (default "" .Values.env.AUTH_MODE) "oauth") (has "API_KEY" .Values.secret.keys) }}
- "env.AUTH_MODE is oauth, and secret.keys has API_KEY, with which the server refuses to boot: leave it out of secret.keys, or set AUTH_MODE to api-key,oauth"
{{- end }}
{{- if has "MIGRATION_DATABASE_URL" .Values.secret.keys }}
- "secret.keys has MIGRATION_DATABASE_URL: the owner of the tables is for the migration alone"
{{- end }}
{{- end }}

{{- define "portcullis.wrong.oldNames" -}}
{{- range $old, $new := dict "adot" "adotSidecar" }}
{{- if hasKey $.Values $old }}
- "{{ $old }} is now {{ $new }}: {{ range $key, $value := index $.Values $old }}use {{ $new }}.{{ $key }} {{ end }}"
{{- end }}
{{- end }}
{{- end }}
