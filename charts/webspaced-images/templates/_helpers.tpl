{{- define "images.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "images.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "images.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "images.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "images.secret" -}}
{{- default (include "images.fullname" .) .Values.existingSecret }}
{{- end }}

{{/* The settings: what the chart knows, and over it what `config` says. */}}
{{- define "images.config" -}}
{{- $http := dict }}
{{- $own := dict "log_format" "json" "http" $http }}
{{- if or .Values.existingSecret .Values.secrets.token }}
{{- $_ := set $own "releases" (dict "token_file" "/run/secrets/webspaced/token") }}
{{- end }}
{{- if or .Values.existingSecret .Values.secrets.access }}
{{- $_ := set $http "access_file" "/run/secrets/webspaced/access.yaml" }}
{{- end }}
{{- /* Ports and folder are the pod's. */}}
{{- $pods := dict "operators_address" ":9095" "data_dir" "/var/lib/webspaced-images" "http" (dict "listen_address" ":8080") }}
{{- mergeOverwrite $own (deepCopy .Values.config) $pods | toYaml }}
{{- end }}

{{- define "images.podSecurityContext" -}}
{{- $context := dict
      "runAsNonRoot" true "runAsUser" 10001 "runAsGroup" 10001 "fsGroup" 10001 "fsGroupChangePolicy" "OnRootMismatch"
      "seccompProfile" (dict "type" "RuntimeDefault") }}
{{- mergeOverwrite $context (deepCopy .Values.podSecurityContext) | toYaml }}
{{- end }}

{{- define "images.securityContext" -}}
{{- $context := dict
      "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) }}
{{- mergeOverwrite $context (deepCopy .Values.securityContext) | toYaml }}
{{- end }}
