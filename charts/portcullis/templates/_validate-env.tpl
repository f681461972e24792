{{- define "portcullis.wrong.env" -}}
{{- $secrets := splitList "," (include "portcullis.secretVariables" .) }}
{{- $reserved := splitList "," (include "portcullis.reserved" .) }}
{{- $own := concat (include "portcullis.env" . | fromYaml | keys | sortAlpha) (ternary (list "NODE_OPTIONS") list (not (kindIs "invalid" .Values.node.maxOldSpacePercent))) (list "POD_NAME" "POD_IP" "NODE_NAME" "HOST_IP" "OTEL_RESOURCE_ATTRIBUTES" "OTEL_EXPORTER_OTLP_ENDPOINT") .Values.secret.keys }}
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
{{- $ofMigration := list }}
{{- range .Values.migrations.extraEnv }}{{ $ofMigration = append $ofMigration .name }}{{ end }}
{{- if and (has "NODE_EXTRA_CA_CERTS" $extra) (not (has "NODE_EXTRA_CA_CERTS" $ofMigration)) (ne .Values.migrations.mode "none") }}
- "extraEnv has NODE_EXTRA_CA_CERTS, and the migration, which asks the same database, has not: add it to migrations.extraEnv, with its file in migrations.extraVolumes and extraVolumeMounts"
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
