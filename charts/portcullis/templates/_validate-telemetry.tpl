{{- define "portcullis.wrong.telemetry" -}}
{{- if and .Values.adotSidecar.enabled .Values.otelOperator.enabled }}
- "adotSidecar.enabled and otelOperator.enabled would put two collectors into the pod; keep one"
{{- end }}
{{- if and .Values.adotSidecar.enabled (not .Values.adotSidecar.region) (not .Values.adotSidecar.config) }}
- "adotSidecar.enabled needs adotSidecar.region, or adotSidecar.config for another collector"
{{- end }}
{{- if and .Values.otelOperator.enabled (not .Values.otelOperator.name) }}
- "otelOperator.enabled needs otelOperator.name, an OpenTelemetryCollector that is there already"
{{- end }}
{{- with .Values.metrics }}
{{- if and .serviceMonitor.enabled .podMonitor.enabled }}
- "metrics.serviceMonitor and metrics.podMonitor would scrape every pod twice; keep one"
{{- end }}
{{- if and (or .serviceMonitor.enabled .podMonitor.enabled) (not (include "portcullis.servesMetrics" $)) }}
- "a monitor needs the server's metrics page: metrics.enabled, and no env.OTEL_METRICS_EXPORTER without prometheus"
{{- end }}
{{- $alerts := list }}
{{- range ($.Files.Get "files/rules/portcullis.rules.yaml" | fromYaml).groups }}{{ range .rules }}{{ $alerts = append $alerts (default "" .alert) }}{{ end }}{{ end }}
{{- range concat .prometheusRule.disabled (keys .prometheusRule.thresholds | sortAlpha) | uniq }}
{{- if not (has . $alerts) }}
- "metrics.prometheusRule names {{ . }}, and no alert is called so"
{{- end }}
{{- end }}
{{- end }}
{{- $endpoint := .Values.otel.endpoint | default "" }}
{{- if and (regexMatch ":4318(/.*)?$" $endpoint) (eq .Values.otel.protocol "grpc") }}
- "otel.endpoint has the port of OTLP over HTTP, otel.protocol is grpc"
{{- end }}
{{- if and $endpoint (eq .Values.otel.protocol "grpc") (not (regexMatch "^https?://[^/]+:[0-9]+(/|$)" $endpoint)) }}
- "otel.endpoint has no port: with otel.protocol grpc say which, such as 4317"
{{- end }}
{{- end }}
