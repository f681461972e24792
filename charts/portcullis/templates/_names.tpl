{{- define "portcullis.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 53 | trimSuffix "-" -}}
{{- end }}

{{- define "portcullis.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "portcullis.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end }}

{{- define "portcullis.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "portcullis.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "portcullis.secretName" -}}
{{- default (printf "%s-secrets" (include "portcullis.fullname" .)) .Values.secret.existingSecret -}}
{{- end }}

{{- /* Whether the migration's Secret is one of its own, made by an ExternalSecret */ -}}
{{- define "portcullis.makesMigrationSecret" -}}
{{- if and .Values.externalSecrets.enabled (ne .Values.migrations.mode "none") (not .Values.migrations.existingSecret) -}}true{{- end -}}
{{- end }}

{{- define "portcullis.migrationSecretName" -}}
{{- if .Values.migrations.existingSecret -}}
{{- .Values.migrations.existingSecret -}}
{{- else if include "portcullis.makesMigrationSecret" . -}}
{{- include "portcullis.fullname" . }}-migrations
{{- else -}}
{{- include "portcullis.secretName" . -}}
{{- end -}}
{{- end }}

{{- /* How a person makes a Secret: dict "root" $ "name" … "keys" … */ -}}
{{- define "portcullis.createSecret" -}}
{{- $example := dict "DATABASE_URL" "'postgresql://portcullis:…@HOST:5432/DB'" "MIGRATION_DATABASE_URL" "'postgresql://OWNER:…@HOST:5432/DB'" "PORTCULLIS_SECRET" "$(openssl rand -hex 32)" "API_KEY" "$(openssl rand -hex 32)" -}}
kubectl create secret generic {{ .name }} -n {{ include "portcullis.namespace" .root }}
{{- range .keys }} \
  --from-literal={{ . }}={{ get $example . | default "…" }}
{{- end }}
{{- end }}

{{- /* The same for what the migration takes, which may be the server's */ -}}
{{- define "portcullis.createMigrationSecret" -}}
{{- $name := include "portcullis.migrationSecretName" . -}}
{{- $keys := ternary .Values.secret.keys (list "DATABASE_URL") (eq $name (include "portcullis.secretName" .)) -}}
{{ include "portcullis.createSecret" (dict "root" . "name" $name "keys" (prepend $keys "MIGRATION_DATABASE_URL")) }}
{{- end }}

{{- define "portcullis.allowlistName" -}}
{{- default (printf "%s-allowlist" (include "portcullis.fullname" .)) .Values.allowlist.existingConfigMap -}}
{{- end }}

{{- /* The component keeps migration and test pods out of Service, budget and autoscaler */ -}}
{{- define "portcullis.selectorLabels" -}}
app.kubernetes.io/name: {{ include "portcullis.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- /* Labels that nobody else may set: objects are found by them */ -}}
{{- define "portcullis.ownLabels" -}}
{{ include "portcullis.selectorLabels" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* Labels of an object: dict "root" $ "component" "server" "labels" (optional) */ -}}
{{- define "portcullis.labels" -}}
{{- $described := dict "app.kubernetes.io/version" .root.Chart.AppVersion "app.kubernetes.io/part-of" (include "portcullis.name" .root) -}}
{{- toYaml (merge (include "portcullis.ownLabels" . | fromYaml) (.labels | default dict) (.root.Values.commonLabels | default dict) $described) -}}
{{- end }}

{{- /* Labels of a pod, without the chart's version, with which every pod would be replaced: dict as above */ -}}
{{- define "portcullis.podLabels" -}}
{{- toYaml (merge (include "portcullis.selectorLabels" . | fromYaml) (.labels | default dict) (.root.Values.commonLabels | default dict) (dict "app.kubernetes.io/version" .root.Chart.AppVersion)) -}}
{{- end }}

{{- /* metadata of an object: dict "root" $ "component" … "name" … "annotations" (optional) "labels" (optional) */ -}}
{{- define "portcullis.metadata" -}}
metadata:
  name: {{ .name | quote }}
  namespace: {{ include "portcullis.namespace" .root | quote }}
  labels:
    {{- include "portcullis.labels" . | nindent 4 }}
  {{- with merge dict (.annotations | default dict) (.root.Values.commonAnnotations | default dict) }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
