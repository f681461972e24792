{{- /* A pod of `helm test`: dict "root" $ "name" … "script" … "key" true when it may know the API key */ -}}
{{- define "portcullis.testPod" -}}
{{- $meta := dict "root" .root "component" "test" "name" (printf "%s-%s" (include "portcullis.fullname" .root) .name) -}}
apiVersion: v1
kind: Pod
{{ include "portcullis.metadata" (merge (dict "annotations" (dict "helm.sh/hook" "test" "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded")) $meta) }}
spec:
  {{- include "portcullis.podBase" .root | nindent 2 }}
  restartPolicy: Never
  containers:
    - {{- include "portcullis.containerBase" (dict "root" .root "name" "test") | nindent 6 }}
      command: [/nodejs/bin/node, --input-type=module, -e]
      args:
        - |
          {{- .script | nindent 10 }}
      env:
        - {name: URL, value: "http://{{ include "portcullis.fullname" .root }}.{{ include "portcullis.namespace" .root }}.svc:{{ int64 .root.Values.service.port }}"}
        {{- if .key }}
        - name: API_KEY
          valueFrom: {secretKeyRef: {name: {{ include "portcullis.secretName" .root | quote }}, key: API_KEY}}
        {{- end }}
      resources:
        {{- toYaml .root.Values.migrations.resources | nindent 8 }}
{{- end }}
