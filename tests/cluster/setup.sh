#!/usr/bin/env bash
# Makes what the test cluster is started from: Debian packages, Kubernetes, Helm, images, charts.
#
# Everything goes into the cache folder under names that hold the hash of its sources, so a second run
# has nothing to do. Safe to run twice at once: the second waits for the first.
# Exit status 3: this machine can't run the cluster (the reason is on stderr).

# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

main() {
  require_machine
  install_packages
  require_command go "https://go.dev/dl/"
  require_command npm "https://nodejs.org/"
  mkdir -p "$CACHE"
  exec 9>"$CACHE/setup.lock"
  flock 9
  name_parts
  make_ca
  make_part "$KUBE" "Kubernetes (5 to 12 minutes)" build_kube
  make_part "$HELM" "Helm $HELM4_VERSION and $HELM3_VERSION (2 to 5 minutes)" build_helm
  make_part "$SMALL" "chart sources" build_small
  make_part "$APP" "the app" build_app
  make_part "$TORTURE" "the torture app" build_torture
  make_part "$CHARTS" "charts" package_charts
  make_part "$BASE_IMAGES" "images of Helm" write_base_images
  make_part "$APP_IMAGES" "images of the app" write_app_images
  make_part "$TORTURE_IMAGES" "the image of the torture app" write_torture_image
  forget_old_parts
  say "test cluster: all parts are there"
}

# install_packages: with apt, and only if something is missing. Debian's containerd is 1.6, which the
# configuration in up.sh is written for.
install_packages() {
  local command missing=()
  for command in containerd:containerd ctr:containerd runc:runc ip:iproute2 nft:nftables conntrack:conntrack \
    openssl:openssl jq:jq flock:util-linux; do
    command -v "${command%%:*}" >/dev/null || missing+=("${command##*:}")
  done
  [[ -x /usr/lib/cni/bridge ]] || missing+=(containernetworking-plugins)
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || cannot "missing ${missing[*]}, and there is no apt-get to install it with"
  say "installing ${missing[*]}"
  # The lists may be older than the archive; they are read again only if that stops the installation.
  apt_install "${missing[@]}" || { apt-get update >&2 && apt_install "${missing[@]}"; } ||
    cannot "apt-get could not install ${missing[*]}"
}

apt_install() { DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@" >&2; }

require_command() { command -v "$1" >/dev/null || cannot "missing $1 ($2)"; }

# make_part FOLDER WHAT FUNCTION: the function fills the folder it is given; the folder gets its name
# only when it is whole, so an interrupted build is never taken for a finished one.
make_part() {
  local folder=$1 what=$2 fill=$3
  if [[ -d $folder ]]; then
    touch "$folder"
    return
  fi
  say "building $what"
  rm -rf "$folder.partial"
  mkdir -p "$folder.partial"
  "$fill" "$folder.partial"
  mv "$folder.partial" "$folder"
  say "built $what"
}

# forget_old_parts: those that no run has used for two weeks.
forget_old_parts() {
  find "$CACHE" -mindepth 1 -maxdepth 1 -type d -mtime +14 -not -name 'run-*' -not -name ca -exec rm -rf {} +
}

# make_ca: for the names that the chart sources answer to. It is trusted inside the tests' Helm images
# and nowhere else.
make_ca() {
  [[ -s $CA/ca.crt && -s $CA/ca.key ]] && return
  rm -rf "$CA" "$CACHE"/images-base-*
  mkdir "$CA"
  chmod 700 "$CA"
  openssl ecparam -name prime256v1 -genkey -noout -out "$CA/ca.key"
  openssl req -x509 -new -key "$CA/ca.key" -subj "/CN=Test authority of Crossview for Headlamp" -days 3650 -out "$CA/ca.crt" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
}

# go_build FOLDER OUTPUT PACKAGE LDFLAGS: static, as the images hold nothing but the program.
go_build() { (cd "$1" && CGO_ENABLED=0 go build -o "$2" -ldflags "-s -w ${4:-}" "$3" >&2); }

# module_version FOLDER MODULE
module_version() { (cd "$1" && go list -m -f '{{.Version}}' "$2"); }

# build_kube: the version is told by the linker, as Kubernetes' own build does; without it the server
# says v0.0.0, and Helm refuses charts that ask for a newer one.
build_kube() {
  local source=$HERE/tools/kube version minor package flags="" component
  version=$(module_version "$source" k8s.io/kubernetes)
  minor=${version#v1.}
  minor=${minor%%.*}
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor -X $package.gitTreeState=clean"
  done
  go_build "$source" "$1/kube" . "$flags"
  for component in etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy kube-dns kubelet kubectl; do
    ln -s kube "$1/$component"
  done
}

build_helm() {
  local source=$HERE/tools/helm major version
  for major in 4 3; do
    version=$(module_version "$source" "helm.sh/helm/v$major")
    go_build "$source" "$1/helm$major" "helm.sh/helm/v$major/cmd/helm" "-X helm.sh/helm/v$major/internal/version.version=$version"
  done
  [[ $("$1/helm4" version --template '{{.Version}}') == "v$HELM4_VERSION" ]] || die "lib.sh and go.mod disagree on the version of Helm 4"
  [[ $("$1/helm3" version --template '{{.Version}}') == "v$HELM3_VERSION" ]] || die "lib.sh and go.mod disagree on the version of Helm 3"
}

build_small() {
  go_build "$HERE/tools/small" "$1/sources" ./sources
  go_build "$HERE/tools/small" "$1/pause" ./pause
  go_build "$HERE/tools/small" "$1/cat" ./cat
}

# build_app: in a copy, so that the tree stays as it is.
build_app() {
  local copy
  copy=$(mktemp -d)
  cp -r "$FIXTURES/app/." "$copy"
  rm -rf "$copy/node_modules" "$copy/dist"
  (cd "$copy" && npm ci --ignore-scripts --no-audit --no-fund >&2 && npm run build >&2)
  go_build "$copy" "$1/crossview" .
  rm -rf "$copy"
}

build_torture() { bash "$FIXTURES/build.sh" torture "$1/torture"; }

# package_charts: every version in the file `versions` from one source, and the index that Helm makes
# of them. Helm writes the present time as each version's date; the file has the dates that are wanted.
package_charts() {
  local version count
  for version in $(chart_versions); do
    "$HELM/helm4" package "$FIXTURES/crossview" --version "$version" --app-version "v$version" --destination "$1" >&2
  done
  "$HELM/helm4" repo index "$1" --url "$CHART_REPOSITORY"
  count=$(grep -c '^    created:' "$1/index.yaml")
  ((count == $(wc -l <"$FIXTURES/crossview/versions"))) || die "the index has $count dates, expected one for each version"
  # Both are sorted, newest version first.
  awk -v versions="$FIXTURES/crossview/versions" \
    '/^    created:/ { getline line < versions; split(line, part, " "); $0 = "    created: \"" part[2] "\"" } { print }' \
    "$1/index.yaml" >"$1/index.dated"
  mv "$1/index.dated" "$1/index.yaml"
}

write_base_images() {
  local root major version
  root=$(mktemp -d)
  cp "$SMALL/pause" "$root/"
  write_image "$1/pause.tar" localhost/pause:1 "$root" '["/pause"]' 65535
  rm -rf "$root"
  for major in 4 3; do
    version=HELM${major}_VERSION
    root=$(mktemp -d)
    mkdir -p "$root"/{usr/bin,etc/ssl/certs,root,apps,tmp}
    chmod 1777 "$root/tmp"
    cp "$HELM/helm$major" "$root/usr/bin/helm"
    cp "$SMALL/cat" "$root/usr/bin/cat"
    cp "$CA/ca.crt" "$root/etc/ssl/certs/ca-certificates.crt"
    write_image "$1/helm$major.tar" "$HELM_IMAGE:${!version}" "$root" '["helm"]' "" /apps
    rm -rf "$root"
  done
}

write_app_images() {
  local root version
  root=$(mktemp -d)
  mkdir -m 1777 "$root/tmp"
  cp "$APP/crossview" "$root/"
  for version in $(chart_versions); do
    write_image "$1/crossview-$version.tar" "$APP_IMAGE:v$version" "$root" '["/crossview"]' 1001 / "CROSSVIEW_VERSION=v$version"
  done
  rm -rf "$root"
}

write_torture_image() {
  local root
  root=$(mktemp -d)
  mkdir -m 1777 "$root/tmp"
  cp "$TORTURE/torture" "$root/"
  write_image "$1/torture.tar" "$TORTURE_IMAGE" "$root" '["/torture"]' 1001
  rm -rf "$root"
}

# write_image OUT NAME ROOT ENTRYPOINT USER [FOLDER] [VARIABLE]: an image of one layer in the format of
# `docker save`, without a registry or a builder. Times and owners are fixed: same files, same image.
write_image() {
  local out=$1 name=$2 root=$3 entrypoint=$4 user=$5 folder=${6:-/} variable=${7:-} work digest architecture
  work=$(mktemp -d)
  architecture=$(go env GOARCH)
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$root" -cf "$work/layer.tar" .
  digest=sha256:$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
  jq -n --arg architecture "$architecture" --arg user "$user" --arg folder "$folder" --arg variable "$variable" \
    --arg digest "$digest" --argjson entrypoint "$entrypoint" '{
      architecture: $architecture, os: "linux", created: "1970-01-01T00:00:00Z",
      config: {
        User: $user, WorkingDir: $folder, Entrypoint: $entrypoint,
        Env: (["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", $variable] | map(select(. != "")))
      },
      rootfs: {type: "layers", diff_ids: [$digest]}
    }' >"$work/config.json"
  jq -n --arg name "$name" '[{Config: "config.json", RepoTags: [$name], Layers: ["layer.tar"]}]' >"$work/manifest.json"
  tar -C "$work" -cf "$out" manifest.json config.json layer.tar
  rm -rf "$work"
}

main
