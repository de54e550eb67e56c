{{- define "router.fullname" -}}
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

{{- define "router.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "router.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "router.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "router.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "router.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "router.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* The settings: what follows from the deployment, below what was said. */}}
{{- define "router.config" -}}
{{- range $key := list "router.interface" "router.address" "lxd.url" "lxd.network" }}
{{- $parts := splitList "." $key }}
{{- if not (dig (index $parts 0) (index $parts 1) "" $.Values.config) }}
{{- fail (printf "config.%s is required" $key) }}
{{- end }}
{{- end }}
{{- $leadership := dict "mode" "kubernetes" "name" (include "router.fullname" .) }}
{{- $tls := dict }}
{{- if .Values.lxdSecret }}
{{- $_ := set $tls "client_cert_file" "/run/secrets/lxd/tls.crt" }}
{{- $_ := set $tls "client_key_file" "/run/secrets/lxd/tls.key" }}
{{- if .Values.lxdPinned }}
{{- $_ := set $tls "server_cert_file" "/run/secrets/lxd/server.crt" }}
{{- end }}
{{- end }}
{{- $own := dict
      "log_format" "json"
      "operators_address" ":9096"
      "data_dir" "/var/lib/webspaced-router"
      "leadership" $leadership
      "router" (dict "plan_address" ":9097")
      "lxd" (dict "tls" $tls) }}
{{- mergeOverwrite $own (deepCopy .Values.config) | toYaml }}
{{- end }}
