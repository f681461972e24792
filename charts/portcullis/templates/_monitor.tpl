{{- /* The server's page lacks the units that OTLP's names have in Prometheus, and dashboards and alerts are written for those:
       the rules of observability/prometheus-scrape.yaml, which a test compares. */ -}}
{{- define "portcullis.unitSuffixes" -}}
- sourceLabels: [__name__]
  regex: (mcp_tool_duration)_(bucket|sum|count)
  targetLabel: __name__
  replacement: ${1}_milliseconds_${2}
- sourceLabels: [__name__]
  regex: (mcp_server_operation_duration|http_server_request_duration|db_client_operation_duration|db_client_connection_wait_time|portcullis_calls_queue_duration|v8js_gc_duration)_(bucket|sum|count)
  targetLabel: __name__
  replacement: ${1}_seconds_${2}
- sourceLabels: [__name__]
  regex: (portcullis_db_connection_oldest_use|nodejs_eventloop_delay_.+|process_uptime)
  targetLabel: __name__
  replacement: ${1}_seconds
- sourceLabels: [__name__]
  regex: (process_cpu_time|nodejs_eventloop_time)_total
  targetLabel: __name__
  replacement: ${1}_seconds_total
- sourceLabels: [__name__]
  regex: (process_memory_usage|v8js_memory_heap_.+)
  targetLabel: __name__
  replacement: ${1}_bytes
- sourceLabels: [__name__]
  regex: (nodejs_eventloop_utilization)
  targetLabel: __name__
  replacement: ${1}_ratio
{{- end }}

{{- /* spec of a monitor but its endpoints' key: the job is named as by OTLP, after the service */ -}}
{{- define "portcullis.monitorSpec" -}}
jobLabel: app.kubernetes.io/name
namespaceSelector:
  matchNames: [{{ include "portcullis.namespace" .root | quote }}]
selector:
  matchLabels:
    {{- include "portcullis.selectorLabels" (dict "root" .root "component" "server") | nindent 4 }}
{{ .endpoints }}:
  - port: metrics
    path: /metrics
    interval: {{ .interval }}
    metricRelabelings:
      {{- include "portcullis.unitSuffixes" .root | nindent 6 }}
{{- end }}
