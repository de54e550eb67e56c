{{/* What the chart sets, and `config` goes before. */}}
{{- define "webspaced.defaults" -}}
data_dir: /var/lib/webspaced/data
http:
  listen_address: ":8080"
  {{- with .Values.traefik.networks }}
  trusted_proxies: {{ toJson . }}
  {{- end }}
traefik:
  provider: kubernetes
  {{- with .Values.staticIP }}
  boot_address: {{ first (splitList "/" .) | quote }}
  {{- end }}
leadership:
  lease: kubernetes
  name: {{ include "webspaced.fullname" . }}
{{- if .Values.fwdService.enabled }}
webspaces:
  ports:
    kubernetes_service: {{ include "webspaced.fullname" . }}-forwarding
{{- end }}
{{- if or .Values.users .Values.existingSecrets.users }}
iam:
  users_file: /run/secrets/webspaced/users.yaml
{{- end }}
{{- if .Values.metrics.enabled }}
metrics:
  listen_address: {{ printf ":%d" (int .Values.metrics.port) | quote }}
{{- end }}
{{- end }}

{{/* The settings as the daemon gets them (YAML). */}}
{{- define "webspaced.config" -}}
{{- $defaults := include "webspaced.defaults" . | fromYaml }}
{{- mergeOverwrite $defaults (deepCopy .Values.config) | toYaml }}
{{- end }}

{{/* One setting as a variable has it: (list $ "http.listen_address"); empty if it is not set. */}}
{{- define "webspaced.setting" -}}
{{- $found := include "webspaced.config" (first .) | fromYaml }}
{{- range splitList "." (last .) }}
{{- if kindIs "map" $found }}
{{- $found = get $found . }}
{{- end }}
{{- end }}
{{- if kindIs "slice" $found }}
{{- join "," $found }}
{{- else if not (kindIs "map" $found) }}
{{- $found | toString | trimPrefix "<nil>" }}
{{- end }}
{{- end }}

{{- define "webspaced.lease" -}}
{{- include "webspaced.setting" (list . "leadership.lease") }}
{{- end }}

{{- define "webspaced.provider" -}}
{{- include "webspaced.setting" (list . "traefik.provider") }}
{{- end }}

{{/* The namespace that routes are written to. */}}
{{- define "webspaced.routesNamespace" -}}
{{- default .Release.Namespace (include "webspaced.setting" (list . "traefik.kubernetes.namespace")) }}
{{- end }}

{{- define "webspaced.apiPort" -}}
{{- include "webspaced.setting" (list . "http.listen_address") | splitList ":" | last | int }}
{{- end }}

{{/* Bounds of ports as webspaced has them by default: (list $ "boot_ports" "start" 20000). */}}
{{- define "webspaced.bound" -}}
{{- $key := printf "webspaces.%s.%s" (index . 1) (index . 2) }}
{{- include "webspaced.setting" (list (first .) $key) | default (index . 3) | float64 | int }}
{{- end }}

{{- define "webspaced.forwardsStart" -}}
{{- include "webspaced.bound" (list . "ports" "start" 49152) }}
{{- end }}
{{- define "webspaced.forwardsEnd" -}}
{{- include "webspaced.bound" (list . "ports" "end" 65535) }}
{{- end }}
{{- define "webspaced.bootsStart" -}}
{{- include "webspaced.bound" (list . "boot_ports" "start" 20000) }}
{{- end }}
{{- define "webspaced.bootsEnd" -}}
{{- include "webspaced.bound" (list . "boot_ports" "end" 29999) }}
{{- end }}

{{- define "webspaced.lowestPort" -}}
{{- min (include "webspaced.apiPort" .) (include "webspaced.forwardsStart" .) (include "webspaced.bootsStart" .) }}
{{- end }}

{{/* What the chart and an existing ConfigMap must agree on: as variables, which go before the file. */}}
{{- define "webspaced.agreed" -}}
{{- $root := . }}
{{- range $key := fromYamlArray (.Files.Get "files/agreed.yaml") }}
{{- $value := include "webspaced.setting" (list $root $key) }}
{{- if $value }}
- name: WSD_{{ $key | replace "." "_" | upper }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The settings that files of secrets are for, by the names of the secrets (YAML). */}}
{{- define "webspaced.secretSettings" -}}
{{- .Files.Get "files/secrets.yaml" | nindent 0 }}
{{- .Files.Get "files/certificates.yaml" | nindent 0 }}
{{- end }}

{{/* Names of the secrets that there are, as a list of YAML. */}}
{{- define "webspaced.secretsGiven" -}}
{{- $root := . }}
{{- $given := list }}
{{- range $name, $setting := include "webspaced.secretSettings" . | fromYaml }}
{{- if or (get $root.Values.secrets $name) (hasKey $root.Values.existingSecrets $name) }}
{{- $given = append $given $name }}
{{- end }}
{{- end }}
{{- toYaml $given }}
{{- end }}
