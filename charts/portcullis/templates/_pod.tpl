{{- define "portcullis.image" -}}
{{- $image := .Values.image -}}
{{- $repository := $image.repository -}}
{{- with $image.registry }}{{ $repository = printf "%s/%s" . $repository }}{{ end -}}
{{- if $image.digest -}}{{ $repository }}@{{ $image.digest }}
{{- else -}}{{ $repository }}:{{ include "portcullis.text" ($image.tag | default .Chart.AppVersion) }}
{{- end -}}
{{- end }}

{{- define "portcullis.sidecarImage" -}}
{{- with .Values.adotSidecar.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag }}{{ end -}}
{{- end -}}
{{- end }}

{{- /* Annotations of the server's pods: what replaces them when it changes, and whom others ask */ -}}
{{- define "portcullis.ownPodAnnotations" -}}
kubectl.kubernetes.io/default-container: server
checksum/config: {{ include "portcullis.env" . | sha256sum | quote }}
{{- if and .Values.allowlist.restartOnChange (not .Values.allowlist.existingConfigMap) }}
checksum/allowlist: {{ include "portcullis.allowlist" . | sha256sum | quote }}
{{- end }}
{{- if .Values.adotSidecar.enabled }}
checksum/collector: {{ include "portcullis.collector" . | sha256sum | quote }}
{{- end }}
{{- if .Values.secret.create }}
checksum/secret: {{ toJson .Values.secret.data | sha256sum | quote }}
{{- end }}
{{- if .Values.otelOperator.enabled }}
sidecar.opentelemetry.io/inject: {{ .Values.otelOperator.name | quote }}
{{- end }}
{{- end }}

{{- /* What the pods of server, migration and tests have in common */ -}}
{{- define "portcullis.podBase" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "dnsConfig" "hostAliases" }}
{{- with index $.Values $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- end }}

{{- /* A container of our own image: dict "root" $ "name" … */ -}}
{{- define "portcullis.containerBase" -}}
name: {{ .name }}
image: {{ include "portcullis.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml .root.Values.containerSecurityContext | nindent 2 }}
{{- end }}

{{- define "portcullis.probe" -}}
httpGet: {path: {{ .path }}, port: http}
periodSeconds: {{ int64 .periodSeconds }}
timeoutSeconds: {{ int64 .timeoutSeconds }}
failureThreshold: {{ int64 .failureThreshold }}
{{- end }}

{{- define "portcullis.migrateContainer" -}}
{{ include "portcullis.containerBase" (dict "root" . "name" "migrate") }}
command: [/nodejs/bin/node, dist/src/cli.js, migrate]
{{- if include "portcullis.migrationMayFail" . }}
args:
  - --hint
  - |
    The Secret {{ include "portcullis.migrationSecretName" . }} names no owner of the tables. To make it:
    {{- /* helm shows the log in one line; $ is written as $$ here */}}
    {{- include "portcullis.createMigrationSecret" . | replace " \\\n " "" | replace "$(" "$$(" | nindent 4 }}
{{- end }}
env:
  {{- include "portcullis.migrationEnv" . | nindent 2 }}
resources:
  {{- toYaml .Values.migrations.resources | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- with .Values.migrations.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* A native sidecar: it starts before the server and stops after it, so that the last telemetry arrives */ -}}
{{- define "portcullis.sidecar" -}}
name: collector
image: {{ include "portcullis.sidecarImage" . | quote }}
imagePullPolicy: IfNotPresent
restartPolicy: Always
args: ["--config=/etc/otelcol/config.yaml"]
securityContext:
  {{- toYaml .Values.containerSecurityContext | nindent 2 }}
env:
  - {name: SERVICE_NAME, value: {{ default (include "portcullis.name" .) .Values.env.SERVICE_NAME | quote }}}
  - {name: ENVIRONMENT, value: {{ .Values.env.PORTCULLIS_ENV | quote }}}
  - {name: GOMEMLIMIT, value: {{ .Values.adotSidecar.goMemLimit | quote }}}
  - {name: RESOURCE_DETECTORS, value: {{ .Values.adotSidecar.resourceDetectors | quote }}}
  {{- with .Values.adotSidecar.region }}
  - {name: AWS_REGION, value: {{ . | quote }}}
  {{- end }}
  {{- with .Values.adotSidecar.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.adotSidecar.healthcheck }}
startupProbe:
  exec: {command: {{ toJson . }}}
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  exec: {command: {{ toJson . }}}
  periodSeconds: 10
  timeoutSeconds: 5
{{- end }}
resources:
  {{- toYaml .Values.adotSidecar.resources | nindent 2 }}
volumeMounts:
  - {name: collector, mountPath: /etc/otelcol, readOnly: true}
  - {name: collector-tmp, mountPath: /tmp}
{{- end }}
