{{/* Users without rights, and nothing to write to but volumes. */}}
{{- define "webspaced.podSecurityContext" -}}
{{- $context := dict
      "runAsNonRoot" true "runAsUser" 10001 "runAsGroup" 10001 "fsGroup" 10001 "fsGroupChangePolicy" "OnRootMismatch"
      "seccompProfile" (dict "type" "RuntimeDefault") }}
{{- $lowest := int (include "webspaced.lowestPort" .) }}
{{- if lt $lowest 1024 }}
{{- /* A capability does not reach a process that is not root's; this does, and needs none. */}}
{{- $sysctl := dict "name" "net.ipv4.ip_unprivileged_port_start" "value" (toString $lowest) }}
{{- $_ := set $context "sysctls" (list $sysctl) }}
{{- end }}
{{- mergeOverwrite $context (deepCopy .Values.podSecurityContext) | toYaml }}
{{- end }}

{{- define "webspaced.securityContext" -}}
{{- $context := dict
      "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) }}
{{- mergeOverwrite $context (deepCopy .Values.securityContext) | toYaml }}
{{- end }}

{{- define "webspaced.environment" -}}
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: WSD_LEADERSHIP_POD
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- $settings := include "webspaced.secretSettings" . | fromYaml }}
{{- range include "webspaced.secretsGiven" . | fromYamlArray }}
- name: WSD_{{ get $settings . | replace "." "_" | upper }}_FILE
  value: /run/secrets/webspaced/{{ . }}
{{- end }}
{{- if .Values.existingConfigMap }}
{{- include "webspaced.agreed" . }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Sources of the volume with all secrets, each under the name that it has in `secrets`. */}}
{{- define "webspaced.secretSources" -}}
{{- $root := . }}
{{- range $name := include "webspaced.secretsGiven" . | fromYamlArray }}
{{- $existing := default dict (get $root.Values.existingSecrets $name) }}
- secret:
    name: {{ default (include "webspaced.fullname" $root) $existing.name }}
    items:
      - key: {{ default $name $existing.key }}
        path: {{ $name }}
{{- end }}
{{- if or .Values.users .Values.existingSecrets.users }}
{{- $existing := default dict .Values.existingSecrets.users }}
- secret:
    name: {{ default (include "webspaced.fullname" .) $existing.name }}
    items:
      - key: {{ default "users.yaml" $existing.key }}
        path: users.yaml
{{- end }}
{{- end }}

{{- define "webspaced.affinity" -}}
{{- if .Values.affinity }}
{{- toYaml .Values.affinity }}
{{- else if gt (int (include "webspaced.replicas" .)) 1 -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "webspaced.selectorLabels" . | nindent 12 }}
{{- end }}
{{- end }}

{{/* The sidecar of the container network. It is up, with its address, before the daemon starts. */}}
{{- define "webspaced.kubelan" -}}
{{- $hooks := .Values.global.kubelan.hooks -}}
- name: kubelan
  image: {{ .Values.global.kubelan.image }}
  restartPolicy: Always
  env:
    - name: KL_IP
      valueFrom:
        fieldRef:
          fieldPath: status.podIP
    - name: KL_NAMESPACE
      valueFrom:
        fieldRef:
          fieldPath: metadata.namespace
    - name: IFACE_IP
      value: {{ .Values.staticIP | quote }}
    {{- if not $hooks.up }}
    - name: KL_HOOKS_UP
      value: sh,-c,ip addr replace $IFACE_IP dev $IFACE
    {{- end }}
  startupProbe:
    exec:
      command: [sh, -c, 'ip addr show | grep -qF " $IFACE_IP "']
    periodSeconds: 1
    failureThreshold: 60
  livenessProbe:
    httpGet:
      path: /health
      port: 8181
    periodSeconds: 5
  securityContext:
    runAsNonRoot: false
    runAsUser: 0
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop: [ALL]
      add: [NET_ADMIN]
  volumeMounts:
    - name: kubelan
      mountPath: /run/config
      readOnly: true
{{- end }}
