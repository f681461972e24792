{{- /* A value as text. Numbers reach templates as floats, and a large one would print as 1e+06. */ -}}
{{- define "portcullis.text" -}}
{{- if and (kindIs "float64" .) (eq (float64 (int64 .)) .) -}}{{ int64 . }}{{- else -}}{{ toString . }}{{- end -}}
{{- end }}

{{- /* The address of a collector that telemetry goes to; empty: there is none */ -}}
{{- define "portcullis.otlpEndpoint" -}}
{{- if .Values.otel.endpoint -}}{{ .Values.otel.endpoint }}
{{- else if or .Values.adotSidecar.enabled .Values.otelOperator.enabled -}}http://localhost:4317
{{- end -}}
{{- end }}

{{- /* Which exporter has the metrics: never two unasked, or a Prometheus that gets both counts all twice */ -}}
{{- define "portcullis.metricsExporter" -}}
{{- $monitored := or .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
{{- if .Values.env.OTEL_METRICS_EXPORTER -}}{{ .Values.env.OTEL_METRICS_EXPORTER }}
{{- else if and (include "portcullis.otlpEndpoint" .) (not $monitored) -}}otlp
{{- else if .Values.metrics.enabled -}}prometheus
{{- else -}}none
{{- end -}}
{{- end }}

{{- define "portcullis.servesMetrics" -}}
{{- $off := eq (toString .Values.env.OTEL_SDK_DISABLED) "true" -}}
{{- if and .Values.metrics.enabled (not $off) (contains "prometheus" (include "portcullis.metricsExporter" .)) -}}true{{- end -}}
{{- end }}

{{- /* Names under which the server is reached, as it refuses any other Host */ -}}
{{- define "portcullis.allowedHosts" -}}
{{- $service := include "portcullis.fullname" . -}}
{{- $namespace := include "portcullis.namespace" . -}}
{{- $hosts := list $service (printf "%s.%s" $service $namespace) (printf "%s.%s.svc" $service $namespace) (printf "%s.%s.svc.%s" $service $namespace .Values.clusterDomain) -}}
{{- if .Values.ingress.enabled -}}
{{- range .Values.ingress.hosts }}{{ $hosts = append $hosts .host }}{{ end -}}
{{- end -}}
{{- if .Values.httpRoute.enabled -}}
{{- $hosts = concat $hosts .Values.httpRoute.hostnames -}}
{{- end -}}
{{- concat $hosts .Values.server.allowedHosts | uniq | join "," -}}
{{- end }}

{{- /* Everything that is no secret and needs no other variable, as YAML. An empty value is left out: it would be an error for a number. */ -}}
{{- define "portcullis.env" -}}
{{- $env := dict -}}
{{- range $name, $value := .Values.env }}
{{- $text := include "portcullis.text" $value }}
{{- if and (not (kindIs "invalid" $value)) (ne $text "") }}{{ $_ := set $env $name $text }}{{ end -}}
{{- end -}}
{{- $_ := set $env "PORT" (include "portcullis.text" .Values.server.port) -}}
{{- $_ := set $env "ALLOWED_HOSTS" (include "portcullis.allowedHosts" .) -}}
{{- with .Values.server.allowedOrigins }}{{ $_ := set $env "ALLOWED_ORIGINS" (join "," .) }}{{ end -}}
{{- $_ := set $env "ALLOWLIST_PATH" "/etc/portcullis/allowlist/allowlist.yaml" -}}
{{- /* preStop waits before the signal, so the server need not wait after it */ -}}
{{- $_ := set $env "SHUTDOWN_DELAY_MS" "0" -}}
{{- $_ := set $env "SHUTDOWN_GRACE_MS" (printf "%d" (mul (int64 .Values.shutdown.drainSeconds) 1000)) -}}
{{- $_ := set $env "OTEL_METRICS_EXPORTER" (include "portcullis.metricsExporter" .) -}}
{{- if include "portcullis.servesMetrics" . -}}
{{- $_ := set $env "OTEL_EXPORTER_PROMETHEUS_HOST" $env.HOST -}}
{{- $_ := set $env "OTEL_EXPORTER_PROMETHEUS_PORT" (include "portcullis.text" .Values.metrics.port) -}}
{{- end -}}
{{- if include "portcullis.otlpEndpoint" . -}}
{{- $_ := set $env "OTEL_EXPORTER_OTLP_PROTOCOL" .Values.otel.protocol -}}
{{- if and .Values.adotSidecar.enabled (not .Values.adotSidecar.config) (not .Values.otel.endpoint) }}{{- /* its file takes no logs */ -}}
{{- $_ := set $env "OTEL_LOGS_EXPORTER" (default "none" $env.OTEL_LOGS_EXPORTER) -}}
{{- end }}
{{- else if eq (default "true" $env.OTEL_ENABLED) "true" -}}
{{- /* nobody listens where the default leads */ -}}
{{- $_ := set $env "OTEL_TRACES_EXPORTER" (default "none" $env.OTEL_TRACES_EXPORTER) -}}
{{- $_ := set $env "OTEL_LOGS_EXPORTER" (default "none" $env.OTEL_LOGS_EXPORTER) -}}
{{- end -}}
{{- toYaml $env -}}
{{- end }}

{{- define "portcullis.resourceAttributes" -}}
{{- $known := dict "k8s.namespace.name" (include "portcullis.namespace" .) "k8s.deployment.name" (include "portcullis.fullname" .) "k8s.pod.name" "$(POD_NAME)" "k8s.node.name" "$(NODE_NAME)" "deployment.environment.name" .Values.env.PORTCULLIS_ENV -}}
{{- $pairs := list -}}
{{- range $key, $value := merge dict .Values.otel.resourceAttributes $known }}{{ $pairs = append $pairs (printf "%s=%v" $key $value) }}{{ end -}}
{{- join "," $pairs -}}
{{- end }}

{{- /* What the container is told beside the ConfigMap: what names other variables, and secrets one by one, so that the migration's stays out */ -}}
{{- define "portcullis.containerEnv" -}}
{{- with .Values.node.maxOldSpacePercent }}
- name: NODE_OPTIONS
  value: --max-old-space-size-percentage={{ int64 . }}
{{- end }}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- name: NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
- name: HOST_IP
  valueFrom: {fieldRef: {fieldPath: status.hostIP}}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ include "portcullis.resourceAttributes" . | quote }}
{{- with include "portcullis.otlpEndpoint" . }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- range .Values.secret.keys }}
{{- if $.Values.secret.mountAsFiles }}
- name: {{ . }}_FILE
  value: /etc/portcullis/secrets/{{ . }}
{{- else }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ include "portcullis.secretName" $ | quote }}, key: {{ . }}}}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The command line reads no ConfigMap: none is there when the hook of a first installation runs */ -}}
{{- define "portcullis.migrationEnv" -}}
- name: PORTCULLIS_ENV
  value: {{ .Values.env.PORTCULLIS_ENV }}
{{- with .Values.env.CALL_TIMEOUT_MS }}
- name: CALL_TIMEOUT_MS
  value: {{ include "portcullis.text" . | quote }}
{{- end }}
- name: MIGRATION_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ include "portcullis.migrationSecretName" . | quote }}, key: MIGRATION_DATABASE_URL{{ if include "portcullis.migrationMayFail" . }}, optional: true{{ end }}}}
- name: DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ include "portcullis.migrationSecretName" . | quote }}, key: DATABASE_URL, optional: true}}
{{- with .Values.migrations.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Where no operator is about to make the Secret, a migration that waited for it would only fail later and say less */ -}}
{{- define "portcullis.migrationMayFail" -}}
{{- if not (include "portcullis.makesMigrationSecret" .) -}}true{{- end -}}
{{- end }}

{{- /* Variables of the server that are secrets (`x-secret` in config/env.ts; a test compares) */ -}}
{{- define "portcullis.secretVariables" -}}
{{- join "," (list "API_KEY" "PORTCULLIS_SECRET" "DATABASE_URL" "DATABASE_READ_URL" "DATABASE_DIRECT_URL" "MIGRATION_DATABASE_URL" "OTEL_EXPORTER_OTLP_HEADERS") -}}
{{- end }}

{{- /* Those that no pod takes: one key that a store lacks keeps back all of them, so these are not asked for */ -}}
{{- define "portcullis.unusedSecrets" -}}
{{- $unused := list -}}
{{- range include "portcullis.secretVariables" . | splitList "," }}{{ if not (has . $.Values.secret.keys) }}{{ $unused = append $unused . }}{{ end }}{{ end -}}
{{- join "," $unused -}}
{{- end }}
