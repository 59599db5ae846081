#!/usr/bin/env bash
# Makes ./etc for compose.yaml: a node's configuration and key, passwords, a throw-away TLS certificate, an operator's token. Leaves
# what is there. Then, each time, gives every file to the account that reads it in its container: nobody else can.
# Needs `lienthong` on the PATH (or LIENTHONG=…) and openssl. Run it as whoever runs compose; where that is an account of the
# group docker, which may give no files away, run it with sudo.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
lienthong=${LIENTHONG:-lienthong}

make_etc() {
  mkdir -p etc/postgres etc/proxy etc/prometheus
  # The account in the image is called lienthong (deploy/Containerfile); /etc/lienthong is only read there, the volume `data` is written.
  "$lienthong" init etc/lienthong --operator lienthong --data /var/lib/lienthong \
    --database 'postgresql+psycopg://lienthong@postgres,standby/lienthong?target_session_attrs=read-write' >/dev/null

  local password replication token digest
  password=$(openssl rand -hex 24) replication=$(openssl rand -hex 24) token=lt_op_$(openssl rand -hex 24)
  digest=$(printf %s "$token" | sha256sum | cut -d' ' -f1)
  printf %s "$password" >etc/postgres/postgres.password
  printf %s "$token" >etc/prometheus/lienthong.token
  printf 'postgres:5432:*:lienthong:%s\nstandby:5432:*:lienthong:%s\n' "$password" "$password" >etc/lienthong/pgpass
  printf 'postgres:5432:*:standby:%s\n' "$replication" >etc/postgres/pgpass

  cat >etc/postgres/primary.sh <<EOF
#!/bin/bash
# The account of the standby; only replication, only with a password.
set -e
psql -v ON_ERROR_STOP=1 -U lienthong -d lienthong -c "CREATE ROLE standby REPLICATION LOGIN PASSWORD '$replication'"
echo 'host replication standby all scram-sha-256' >>"\$PGDATA/pg_hba.conf"
EOF
  cat >etc/postgres/standby.sh <<'EOF'
#!/bin/bash
# A copy of the primary that follows it and confirms each commit (application_name=standby).
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  install -m 600 /etc/lienthong/pgpass /tmp/pgpass
  PGPASSFILE=/tmp/pgpass pg_basebackup -D "$PGDATA" -R -X stream \
    -d 'host=postgres user=standby application_name=standby passfile=/tmp/pgpass'
  chmod 700 "$PGDATA"
fi
install -m 600 /etc/lienthong/pgpass /tmp/pgpass
exec postgres
EOF
  chmod 700 etc/postgres/primary.sh etc/postgres/standby.sh

  put door operator_tokens_sha256 "[\"$digest\"]"
  put door trusted_proxies '["172.16.0.0/12", "10.0.0.0/8"]'
  put web public_url '"https://localhost:8443"'
  put backup every_hours 26  # the container `backup` makes one a day

  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout etc/proxy/key.pem -out etc/proxy/cert.pem 2>/dev/null
  cat etc/proxy/cert.pem etc/proxy/key.pem >etc/proxy/haproxy.pem
  sed -e 's/bind :443 ssl crt .*/bind :8443 ssl crt \/usr\/local\/etc\/haproxy\/haproxy.pem/' \
    -e 's/10\.0\.0\.11:8310/serve-1:8310/; s/10\.0\.0\.12:8310/serve-2:8310/' ../proxy/haproxy.cfg >etc/proxy/haproxy.cfg
  echo "Mã truy cập quản trị, chỉ hiện một lần / the operator's token, shown once: $token"
}

config=etc/lienthong/lienthong.toml
put() {  # section key value: sets a key of a section, whether it stands there as a comment or not at all
  awk -v section="[$1]" -v key="$2" -v value="$3" '
    $0 == section { print; print key " = " value; inside = 1; next }
    /^\[/ { inside = 0 }
    inside && $0 ~ "^#?" key " = " { next }
    { print }' "$config" >"$config.new" && mv "$config.new" "$config"
}

# Whose they are in the containers: lienthong as deploy/Containerfile makes it, the others as their images do.
readers=(8310:8310=etc/lienthong 999:999=etc/postgres 99:99=etc/proxy 65534:65534=etc/prometheus)
give() {  # [command that runs another]: every folder to its reader; a file of another's stays readable for nobody else
  local reader
  for reader in "${readers[@]}"; do "$@" chown -R "${reader%%=*}" "${reader#*=}" || return; done
}

if [[ -d etc ]]; then echo "etc: đã có, giữ nguyên / is there, left as it is"; else make_etc; fi
chmod -R a+rX ../prometheus ../grafana || :  # no secrets; mounted as they are
if ((EUID == 0)); then
  give
elif command -v podman >/dev/null && give podman unshare 2>/dev/null; then
  :
else
  echo "Chưa xong, hãy chạy / not done yet, run: sudo $PWD/prepare.sh" >&2
  printf '  (chown -R %s)\n' "${readers[@]/=/ }" >&2
  exit 1
fi
