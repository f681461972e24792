{{- /* "25%" or 3 as a number of pods: dict "value" … "of" pods "up" true to round up */ -}}
{{- define "portcullis.pods" -}}
{{- $text := include "portcullis.text" .value -}}
{{- if hasSuffix "%" $text -}}
{{- $part := mul (trimSuffix "%" $text | int64) .of -}}
{{- if .up -}}{{ div (add $part 99) 100 }}{{- else -}}{{ div $part 100 }}{{- end -}}
{{- else -}}{{ int64 $text }}{{- end -}}
{{- end }}

{{- define "portcullis.fewestPods" -}}
{{- if or .Values.autoscaling.enabled .Values.keda.enabled -}}{{ int64 .Values.autoscaling.minReplicas }}{{- else -}}{{ int64 .Values.replicaCount }}{{- end -}}
{{- end }}

{{- define "portcullis.mostPods" -}}
{{- if or .Values.autoscaling.enabled .Values.keda.enabled -}}{{ int64 .Values.autoscaling.maxReplicas }}{{- else -}}{{ int64 .Values.replicaCount }}{{- end -}}
{{- end }}

{{- /* "5s", "1m30s" in seconds */ -}}
{{- define "portcullis.seconds" -}}
{{- $seconds := 0 -}}
{{- range $unit, $factor := dict "h" 3600 "m" 60 "s" 1 -}}
{{- with regexFind (printf "[0-9]+%s([0-9]|$)" $unit) $.duration -}}
{{- $seconds = add $seconds (mul $factor (regexFind "^[0-9]+" . | int64)) -}}
{{- end -}}
{{- end -}}
{{- $seconds -}}
{{- end }}
