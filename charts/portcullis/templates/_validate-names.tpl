{{- define "portcullis.wrong.names" -}}
{{- $name := include "portcullis.fullname" . }}
{{- /* what a Service may be called, and no other word of YAML */}}
{{- if or (not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name)) (regexMatch "^(true|false|null|yes|no|on|off|y|n)$" $name) }}
- "{{ $name }} is no name for a Service: it begins with a letter and has small letters, digits and hyphens; set fullnameOverride"
{{- end }}
{{- $own := include "portcullis.ownLabels" (dict "root" $ "component" "server") | fromYaml }}
{{- $monitors := .Values.metrics }}
{{- range $where, $labels := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels "metrics.serviceMonitor.labels" $monitors.serviceMonitor.labels "metrics.podMonitor.labels" $monitors.podMonitor.labels "metrics.prometheusRule.labels" $monitors.prometheusRule.labels }}
{{- range $label, $_ := $labels }}{{ if hasKey $own $label }}
- "{{ $where }} has {{ $label }}, by which the chart and helm find their objects: leave it out"
{{- end }}{{ end }}
{{- end }}
{{- $annotations := include "portcullis.ownPodAnnotations" . | fromYaml }}
{{- range $annotation, $_ := .Values.podAnnotations }}{{ if hasKey $annotations $annotation }}
- "podAnnotations has {{ $annotation }}, which the chart sets itself: leave it out"
{{- end }}{{ end }}
{{- range $annotation, $_ := .Values.commonAnnotations }}{{ if regexMatch "^(meta[.])?helm[.]sh/" $annotation }}
- "commonAnnotations has {{ $annotation }}, which would tell helm what to do with every object: leave it out"
{{- end }}{{ end }}
{{- end }}

{{- /* What stands in a list of the pod by its name: dict of the value's name, its entries and those of the chart */ -}}
{{- define "portcullis.wrong.pod" -}}
{{- $lists := list
  (list "extraVolumes" "name" .Values.extraVolumes (list "allowlist" "tmp" "secrets" "collector" "collector-tmp"))
  (list "extraVolumeMounts" "mountPath" .Values.extraVolumeMounts (list "/etc/portcullis/allowlist" "/etc/portcullis/secrets" "/tmp"))
  (list "extraContainers" "name" .Values.extraContainers (list "server"))
  (list "extraInitContainers" "name" .Values.extraInitContainers (list "migrate" "collector"))
  (list "adotSidecar.extraEnv" "name" .Values.adotSidecar.extraEnv (list "SERVICE_NAME" "ENVIRONMENT" "GOMEMLIMIT" "RESOURCE_DETECTORS" "AWS_REGION")) }}
{{- range $lists }}
{{- $value := index . 0 }}{{ $key := index . 1 }}{{ $seen := index . 3 }}
{{- range index . 2 }}
{{- if has (get . $key) $seen }}
- "{{ $value }} has {{ get . $key }}, which is there already: use another {{ $key }}"
{{- end }}
{{- $seen = append $seen (get . $key) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "portcullis.wrong.allowlist" -}}
{{- with .Values.allowlist }}
{{- $said := list }}
{{- range $key := list "text" "document" "existingConfigMap" }}{{ if get $.Values.allowlist $key }}{{ $said = append $said (printf "allowlist.%s" $key) }}{{ end }}{{ end }}
{{- if gt (len $said) 1 }}
- "{{ join " and " $said }}: an allowlist has one source; keep one"
{{- end }}
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
