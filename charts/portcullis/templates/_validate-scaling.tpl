{{- define "portcullis.wrong.scaling" -}}
{{- $min := int64 .Values.autoscaling.minReplicas }}
{{- $max := int64 .Values.autoscaling.maxReplicas }}
{{- with .Values.keda }}
{{- if and .enabled $.Values.autoscaling.enabled }}
- "autoscaling.enabled and keda.enabled are both true: two autoscalers would fight; set autoscaling.enabled to false"
{{- end }}
{{- if and .enabled (not .cpu) (not .prometheus.serverAddress) }}
- "keda.enabled has nothing to look at: set keda.cpu or keda.prometheus.serverAddress"
{{- end }}
{{- if and .prometheus.serverAddress (not (and .prometheus.query .prometheus.threshold)) }}
- "keda.prometheus needs query and threshold, too"
{{- end }}
{{- if and .enabled .prometheus.serverAddress (or (lt (int64 .fallback.replicas) $min) (gt (int64 .fallback.replicas) $max)) }}
- "keda.fallback.replicas ({{ int64 .fallback.replicas }}) is outside of autoscaling.minReplicas to maxReplicas ({{ $min }} to {{ $max }})"
{{- end }}
{{- end }}
{{- if gt $min $max }}
- "autoscaling.minReplicas ({{ $min }}) exceeds autoscaling.maxReplicas ({{ $max }})"
{{- end }}
{{- with .Values.autoscaling }}
{{- if and .enabled (not .targetCPUUtilizationPercentage) (not .targetMemoryUtilizationPercentage) (not .customMetrics) }}
- "autoscaling.enabled has nothing to look at: set a target or customMetrics"
{{- end }}
{{- end }}
{{- end }}

{{- define "portcullis.wrong.budgets" -}}
{{- $fewest := include "portcullis.fewestPods" . | int64 }}
{{- $most := include "portcullis.mostPods" . | int64 }}
{{- with .Values.pdb }}
{{- if .enabled }}
{{- $hasMin := not (kindIs "invalid" .minAvailable) }}
{{- $hasMax := not (kindIs "invalid" .maxUnavailable) }}
{{- if eq $hasMin $hasMax }}
- "pdb wants one of minAvailable and maxUnavailable; set the other to null"
{{- else if and $hasMax (eq "0" (include "portcullis.pods" (dict "value" .maxUnavailable "of" $fewest "up" true))) }}
- "pdb.maxUnavailable allows no eviction: nodes could not be drained"
{{- else if and $hasMin (ge (include "portcullis.pods" (dict "value" .minAvailable "of" $fewest "up" true) | int64) $fewest) }}
- "pdb.minAvailable ({{ include "portcullis.text" .minAvailable }}) allows no eviction while there are {{ $fewest }} pods: nodes could not be drained"
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.strategy }}
{{- if and (hasPrefix "0" (include "portcullis.text" .maxUnavailable)) (hasPrefix "0" (include "portcullis.text" .maxSurge)) }}
- "strategy.maxUnavailable and strategy.maxSurge are both 0: no pod could be replaced"
{{- end }}
{{- end }}
{{- $pods := add $most (include "portcullis.pods" (dict "value" .Values.strategy.maxSurge "of" $most "up" true) | int64) }}
{{- $each := add (default 20 .Values.env.DB_POOL_MAX | toString | int64) 4 }}
{{- $wanted := add (mul $pods $each) (int64 .Values.database.reserved) }}
{{- if gt $wanted (int64 .Values.database.connectionBudget) }}
- "{{ $pods }} pods (one rollout included) of {{ $each }} connections (env.DB_POOL_MAX and 4) and database.reserved take {{ $wanted }}, more than database.connectionBudget ({{ int64 .Values.database.connectionBudget }}): the last pods would get none"
{{- end }}
{{- end }}

{{- define "portcullis.wrong.shutdown" -}}
{{- with .Values.shutdown }}
{{- $needed := add (int64 .preStopSeconds) (int64 .drainSeconds) 5 }}
{{- if lt (int64 .terminationGracePeriodSeconds) $needed }}
- "shutdown.terminationGracePeriodSeconds ({{ int64 .terminationGracePeriodSeconds }}) is less than preStopSeconds, drainSeconds and 5 more ({{ $needed }}): pods would be killed in their calls"
{{- end }}
{{- if lt (int64 .preStopSeconds) 1 }}
- "shutdown.preStopSeconds must be at least 1: load balancers need a moment, and older clusters refuse a sleep of 0"
{{- end }}
{{- end }}
{{- end }}
