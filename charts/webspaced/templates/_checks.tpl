{{/* What is missing, what contradicts, and what has no place any more: all of it is told, with the remedy. */}}
{{- define "webspaced.checks" -}}
{{- $said := concat
      (include "webspaced.missing" . | fromYamlArray)
      (include "webspaced.contradictions" . | fromYamlArray)
      (include "webspaced.former" . | fromYamlArray) }}
{{- if $said }}
{{- printf "\n\n- %s\n" (join "\n- " $said) | fail }}
{{- end }}
{{- end }}

{{- define "webspaced.missing" -}}
{{- $iam := include "webspaced.setting" (list . "iam.url") }}
{{- if not .Values.existingConfigMap }}
{{- if not (include "webspaced.setting" (list . "webspaces.domain")) }}
- "config.webspaces.domain is required: each member has <username>.<domain>"
{{- end }}
{{- if not (include "webspaced.setting" (list . "lxd.url")) }}
- "config.lxd.url is required: https://host:port of LXD or Incus"
{{- end }}
{{- if not (or $iam .Values.users .Values.existingSecrets.users) }}
- "config.iam.url is required, or users: who the members are"
{{- end }}
{{- if not (or .Values.traefik.networks (include "webspaced.setting" (list . "http.trusted_proxies"))) }}
- "traefik.networks is required: the networks of Traefik's pods. Only what these say of a visitor's address is believed"
{{- end }}
{{- end }}
{{- if and .Values.staticIP (not .Values.global.kubelan.image) }}
- "global.kubelan.image is required with staticIP: the sidecar that joins the LAN"
{{- end }}
{{- end }}

{{- define "webspaced.contradictions" -}}
{{- $root := . }}
{{- range $name, $setting := .Files.Get "files/secrets.yaml" | fromYaml }}
{{- if include "webspaced.setting" (list $root $setting) }}
- "config.{{ $setting }} would be read by everybody who may read ConfigMaps: use secrets.{{ $name }} or existingSecrets.{{ $name }}"
{{- end }}
{{- end }}
{{- $given := include "webspaced.secretsGiven" . | fromYamlArray }}
{{- range $name, $setting := include "webspaced.secretSettings" . | fromYaml }}
{{- range $key := list $setting (printf "%s_file" $setting) }}
{{- if and (has $name $given) (include "webspaced.setting" (list $root $key)) }}
- "config.{{ $key }} and the secret {{ $name }} are both set: leave one out"
{{- end }}
{{- end }}
{{- if and (get $root.Values.secrets $name) (hasKey $root.Values.existingSecrets $name) }}
- "secrets.{{ $name }} and existingSecrets.{{ $name }} are both set: leave one out"
{{- end }}
{{- end }}
{{- if and .Values.users .Values.existingSecrets.users }}
- "users and existingSecrets.users are both set: leave one out"
{{- end }}
{{- if and (include "webspaced.setting" (list . "iam.url")) (or .Values.users .Values.existingSecrets.users) }}
- "config.iam.url and users are both set: members come from one of them"
{{- end }}
{{- if not (hasPrefix "/var/lib/webspaced/" (include "webspaced.setting" (list . "data_dir"))) }}
- "config.data_dir must be below /var/lib/webspaced: nothing else can be written to"
{{- end }}
{{- if .Values.existingConfigMap }}
{{- range include "webspaced.unshared" . | fromYamlArray }}
- "config.{{ . }} belongs in the ConfigMap {{ $root.Values.existingConfigMap }}: config has only what the chart must know then"
{{- end }}
{{- end }}
{{- if and .Values.fwdService.enabled (ge (int .Values.fwdService.dummyPort) (int (include "webspaced.forwardsStart" .))) (le (int .Values.fwdService.dummyPort) (int (include "webspaced.forwardsEnd" .))) }}
- "fwdService.dummyPort must not be among config.webspaces.ports: a member could not have it"
{{- end }}
{{- end }}

{{/* Keys of `config` that an existing ConfigMap has to have itself. */}}
{{- define "webspaced.unshared" -}}
{{- $agreed := fromYamlArray (.Files.Get "files/agreed.yaml") }}
{{- $found := list }}
{{- range (include "webspaced.leaves" (list "" .Values.config) | trim | splitList "\n") }}
{{- if and . (not (has . $agreed)) }}
{{- $found = append $found . }}
{{- end }}
{{- end }}
{{- toYaml $found }}
{{- end }}

{{/* Dotted keys of a mapping, one a line: (list "" $mapping). */}}
{{- define "webspaced.leaves" -}}
{{- $prefix := first . }}
{{- range $key, $value := last . }}
{{- if kindIs "map" $value }}
{{- include "webspaced.leaves" (list (printf "%s%s." $prefix $key) $value) }}
{{- else }}
{{ printf "%s%s" $prefix $key }}
{{- end }}
{{- end }}
{{- end }}

{{/* Values of the chart of the Go daemon. */}}
{{- define "webspaced.former" -}}
{{- $root := . }}
{{- range $probe := list "startupProbe" "livenessProbe" "readinessProbe" }}
{{- range $handler := list "httpGet" "tcpSocket" "exec" "grpc" }}
{{- if hasKey (get $root.Values $probe) $handler }}
- "{{ $probe }}.{{ $handler }} has no place any more: the chart asks /live and /ready (/health follows LXD); timings may stay"
{{- end }}
{{- end }}
{{- end }}
{{- range $key := list "ports" "selector" }}
{{- range $service := list "service" "fwdService" }}
{{- if hasKey (get (get $root.Values $service) "spec") $key }}
- "{{ $service }}.spec.{{ $key }} has no place any more: the chart leads visitors to the pod that leads"
{{- end }}
{{- end }}
{{- end }}
{{- if include "webspaced.setting" (list . "webspaces.ports.kubernetes_service") | ne (ternary (printf "%s-forwarding" (include "webspaced.fullname" .)) "" .Values.fwdService.enabled) }}
- "config.webspaces.ports.kubernetes_service has no place any more: fwdService.enabled makes the Service and sets it"
{{- end }}
{{- end }}
