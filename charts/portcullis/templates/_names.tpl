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

{{- define "portcullis.allowlistName" -}}
{{- default (printf "%s-allowlist" (include "portcullis.fullname" .)) .Values.allowlist.existingConfigMap -}}
{{- end }}

{{- /* Labels of an object: dict "root" $ "component" "server" */ -}}
{{- define "portcullis.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: {{ include "portcullis.name" .root }}
{{ include "portcullis.selectorLabels" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The component keeps migration and test pods out of Service, budget and autoscaler */ -}}
{{- define "portcullis.selectorLabels" -}}
app.kubernetes.io/name: {{ include "portcullis.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- /* metadata of an object: dict "root" $ "component" … "name" … "annotations" (optional) "labels" (optional) */ -}}
{{- define "portcullis.metadata" -}}
metadata:
  name: {{ .name }}
  namespace: {{ include "portcullis.namespace" .root }}
  labels:
    {{- include "portcullis.labels" . | nindent 4 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with merge dict (.annotations | default dict) .root.Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
