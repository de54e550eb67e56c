{{/* Names, as `helm create` makes them. */}}
{{- define "webspaced.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "webspaced.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := include "webspaced.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "webspaced.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "webspaced.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Labels. app.kubernetes.io/managed-by is Helm's here: "webspaced" stands for what the daemon writes. */}}
{{- define "webspaced.selectorLabels" -}}
app.kubernetes.io/name: {{ include "webspaced.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "webspaced.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "webspaced.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* Whom visitors are led to. With a static address there is never more than one pod, and the LAN's sidecars must find it
before it leads. */}}
{{- define "webspaced.leaderLabels" -}}
{{ include "webspaced.selectorLabels" . }}
{{- if and (not .Values.staticIP) (eq (include "webspaced.lease" .) "kubernetes") }}
webspaced/leader: "true"
{{- end }}
{{- end }}

{{- define "webspaced.image" -}}
{{- $image := .Values.image }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{- define "webspaced.replicas" -}}
{{- if .Values.replicas }}
{{- .Values.replicas | int }}
{{- else if or .Values.staticIP (ne (include "webspaced.lease" .) "kubernetes") }}
{{- 1 }}
{{- else }}
{{- 2 }}
{{- end }}
{{- end }}
