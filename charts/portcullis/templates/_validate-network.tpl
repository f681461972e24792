{{- define "portcullis.wrong.network" -}}
{{- $ports := dict }}
{{- $users := dict "metrics.port" .Values.metrics.port "server.port" .Values.server.port }}
{{- if .Values.admin.enabled }}{{ $_ := set $users "admin.port" .Values.admin.port }}{{ end }}
{{- range $what, $port := $users }}
{{- $number := toString (int64 $port) }}
{{- $_ := set $ports $number (append (default list (get $ports $number)) $what | sortAlpha) }}
{{- end }}
{{- range $number, $users := $ports }}
{{- if gt (len $users) 1 }}
- "{{ join " and " $users }} are all {{ $number }}; each needs a port of its own"
{{- end }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
- "httpRoute.enabled needs httpRoute.parentRefs, a Gateway"
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.hostnames) }}
- "httpRoute.enabled needs httpRoute.hostnames: the server refuses names that it does not know"
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
- "ingress.enabled needs ingress.hosts: the server refuses names that it does not know"
{{- end }}
{{- /* the longest deadline of a tool is CALL_TIMEOUT_MS */}}
{{- $longest := div (add (default 30000 .Values.env.CALL_TIMEOUT_MS | toString | float64 | int64) 999) 1000 }}
{{- $request := include "portcullis.seconds" (dict "duration" (.Values.httpRoute.timeouts.request | default "0s")) | int64 }}
{{- if and .Values.httpRoute.enabled (ne $request 0) (le $request $longest) }}
- "httpRoute.timeouts.request ({{ .Values.httpRoute.timeouts.request }}) ends calls that may take {{ $longest }}s (env.CALL_TIMEOUT_MS); use 0s, or more than that"
{{- end }}
{{- with .Values.networkPolicy }}
{{- if .enabled }}
{{- if and $.Values.otel.endpoint (not .egress.otlp.enabled) (not .egress.extra) }}
- "networkPolicy lets nothing through to otel.endpoint: set networkPolicy.egress.otlp.enabled, or say how in networkPolicy.egress.extra"
{{- end }}
{{- $ports := list (int64 .egress.postgres.port) (int64 (.egress.postgres.directPort | default 0)) }}
{{- range $name, $url := $.Values.secret.data }}
{{- if and (hasSuffix "DATABASE_URL" $name) (not (has (include "portcullis.urlPort" $url | int64) $ports)) (not $.Values.networkPolicy.egress.extra) }}
- "networkPolicy lets nothing through to the database of {{ $name }} at port {{ include "portcullis.urlPort" $url }}: set networkPolicy.egress.postgres.port, or directPort beside it"
{{- end }}
{{- end }}
{{- if and .ingress.ingressNamespace (not (or $.Values.ingress.enabled $.Values.httpRoute.enabled)) }}
- "networkPolicy.ingress.ingressNamespace is set, and neither ingress nor httpRoute is enabled"
{{- end }}
{{- end }}
{{- end }}
{{- end }}
