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
{{- $variables := .Files.Lines "files/variables.txt" }}
{{- $extra := list }}
{{- range .Values.extraEnv }}
{{- $names = append $names .name }}
{{- $extra = append $extra (trimSuffix "_FILE" .name) }}
{{- if and (has .name $secrets) (hasKey . "value") }}
- "extraEnv has {{ .name }} as text, in the clear in values and Deployment: put it into the Secret, and its name into secret.keys"
{{- else if eq (trimSuffix "_FILE" .name) "MIGRATION_DATABASE_URL" }}
- "extraEnv has {{ .name }}: the owner of the tables is for the migration alone"
{{- else if has .name $own }}
- "extraEnv has {{ .name }}, which the chart sets itself: use env, or the value it comes from"
{{- else if and (has .name $variables) (not (has .name $secrets)) (not (hasSuffix "_FILE" .name)) }}
- "extraEnv has {{ .name }}, a setting of the server, which the chart and the migration read in env: put it there"
{{- else if has (trimSuffix "_FILE" .name) $.Values.secret.keys }}
- "extraEnv has {{ .name }}, and secret.keys has {{ trimSuffix "_FILE" .name }}: keep one"
{{- end }}
{{- end }}
{{- range .Values.extraEnvFrom }}
{{- with .secretRef }}
{{- if has .name (list (include "portcullis.secretName" $) (include "portcullis.migrationSecretName" $)) }}
- "extraEnvFrom has the Secret {{ .name }}, with which the server might get the owner's URL: name its keys in secret.keys"
{{- end }}
{{- end }}
{{- end }}
{{- $given := concat .Values.secret.keys $extra }}
{{- $mode := .Values.env.AUTH_MODE | default "api-key" }}
{{- if not .Values.extraEnvFrom }}
{{- range list "DATABASE_URL" "PORTCULLIS_SECRET" }}{{ if not (has . $given) }}
- "secret.keys lacks {{ . }}, without which the server refuses to boot"
{{- end }}{{ end }}
{{- if and (ne $mode "oauth") (not (has "API_KEY" $given)) (not .Values.env.API_KEYS_FILE) (not (has "API_KEYS" $extra)) }}
- "nobody could call: neither API_KEY in secret.keys, nor env.API_KEYS_FILE, nor env.AUTH_MODE oauth"
{{- end }}
{{- end }}
{{- if contains "oauth" $mode }}
{{- range list "OAUTH_ISSUER" "OAUTH_RESOURCE" }}{{ if not (get $.Values.env .) }}
- "env.AUTH_MODE has oauth, which needs env.{{ . }}, too"
{{- end }}{{ end }}
{{- end }}
{{- if gt (default 5 .Values.env.DB_POOL_MIN | toString | int64) (default 20 .Values.env.DB_POOL_MAX | toString | int64) }}
- "env.DB_POOL_MIN exceeds env.DB_POOL_MAX: lower the one or raise the other"
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
{{- $values := index $.Values $old }}
- "{{ $old }} is now {{ $new }}: {{ if kindIs "map" $values }}{{ range $key, $value := $values }}use {{ $new }}.{{ $key }} {{ end }}{{ else }}use {{ $new }}.enabled{{ end }}"
{{- end }}
{{- end }}
{{- end }}
