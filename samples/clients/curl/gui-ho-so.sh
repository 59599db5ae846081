#!/usr/bin/env bash
# curl + xmlsec1: ký một hồ sơ, gửi bằng REST rồi bằng SOAP, lấy hộp thư của mình, xác nhận.
# curl + xmlsec1: sign a dossier, submit it by REST and by SOAP, pull the inbox, acknowledge.
#   gui-ho-so.sh http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem
set -euo pipefail
url=$1 token=$2 key=$3 cert=$4
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
ds=http://www.w3.org/2000/09/xmldsig# dv=http://www.dongnai.gov.vn/lienthong/dichvu/1.0
exc=http://www.w3.org/2001/10/xml-exc-c14n# sha256=http://www.w3.org/2001/04/xmlenc#sha256
more=http://www.w3.org/2001/04/xmldsig-more#
method=${more}rsa-sha256; openssl pkey -in "$key" -noout -text | grep -q 'NIST CURVE' && method=${more}ecdsa-sha256

# 1. Điền mẫu vào một tệp. / Fill in a form: fill MAU TEP.
fill() {
  local number; number=$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')
  sed -e "s|@MaThongDiep@|$(cat /proc/sys/kernel/random/uuid)|" -e "s|@ThoiDiem@|$(date +%Y-%m-%dT%H:%M:%S%:z)|" \
      -e "s|@MaHoSo@|H19.901-$(TZ=Asia/Ho_Chi_Minh date +%y%m%d)-$(printf %07d "$((number % 10000000))")|" \
      "$(dirname "${BASH_SOURCE[0]}")/../$1" > "$2"
}

# Chữ ký bao trùm cả phong bì, là phần tử con cuối cùng. / The signature covers the envelope, as its last child: sign TEP KY.
sign() {
  local signature="<ds:Signature xmlns:ds=\"$ds\"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"$exc\"/>\
<ds:SignatureMethod Algorithm=\"$method\"/><ds:Reference URI=\"\"><ds:Transforms>\
<ds:Transform Algorithm=\"${ds}enveloped-signature\"/><ds:Transform Algorithm=\"$exc\"/></ds:Transforms>\
<ds:DigestMethod Algorithm=\"$sha256\"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/>\
<ds:KeyInfo><ds:X509Data><ds:X509Certificate/></ds:X509Data></ds:KeyInfo></ds:Signature>"
  sed -i "s|</lt:ThongDiep>|$signature</lt:ThongDiep>|" "$1"
  xmlsec1 --sign $lax --privkey-pem "$key,$cert" --output "$2" "$1"
}
lax=$(xmlsec1 --version | grep -q ' 1\.[3-9]' && echo --lax-key-search || true)
[[ ${BASH_SOURCE[0]} == "$0" ]] || return 0 # chay-that.sh dùng các hàm trên / uses the functions above
fill ho-so.xml "$work/ho-so.xml"
sign "$work/ho-so.xml" "$work/da-ky.xml"

# 2. REST: 201 và xác nhận tiếp nhận thông điệp có chữ ký. / 201 and a signed receipt.
call() { curl -sS --fail-with-body --max-time 60 -H "Authorization: Bearer $token" "$@"; }
status=$(call -H 'Content-Type: application/xml' -H 'Accept: application/xml' --data-binary "@$work/da-ky.xml" \
    -o "$work/bien-nhan.xml" -w '%{http_code}' "$url/v1/messages") || { cat "$work/bien-nhan.xml"; exit 1; }
echo "REST $status $(grep -o '<[a-z]*:KetQua>[A-Z_]*' "$work/bien-nhan.xml" | sed 's/.*>//')"

# 3. SOAP: đúng các byte đó, nên đúng xác nhận tiếp nhận thông điệp đó. / The same bytes, so the same receipt.
{ printf '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GuiThongDiep xmlns="%s"><NoiDung>' $dv
  base64 -w0 "$work/da-ky.xml"; printf '</NoiDung></GuiThongDiep></s:Body></s:Envelope>'; } > "$work/soap.xml"
call -H 'Content-Type: text/xml; charset=utf-8' -H "SOAPAction: \"$dv/GuiThongDiep\"" --data-binary "@$work/soap.xml" \
    "$url/soap" | grep -o '<BienNhan>[^<]*' | sed 's/<BienNhan>//' | base64 -d > "$work/bien-nhan-soap.xml"
cmp -s "$work/bien-nhan.xml" "$work/bien-nhan-soap.xml" && echo 'SOAP cùng xác nhận tiếp nhận thông điệp / same receipt'

# 4. Hộp thư: hỏi sau vị trí N là xác nhận đã nhận tới N. / Asking after N acknowledges up to N.
after=0
while call -H 'Accept: application/xml' "$url/v1/inbox?after=$after&limit=100" > "$work/trang.xml" &&
      grep -q '<ViTri>' "$work/trang.xml"; do
  grep -o '<Muc>.*</Muc>' "$work/trang.xml" | sed 's|</Muc>|\n|g' | grep ViTri |
    sed -E 's|.*<ViTri>([0-9]+)<.*<LoaiThongDiep>(HS[0-9]+)<.*<DuongDan>([^<]+)<.*|\1 \2 \3|' > "$work/muc"
  while read -r position type path; do
    call -o "$work/$position.xml" "$url$path"
    echo "HOP THU $position $type $(wc -c < "$work/$position.xml") byte"; after=$position
  done < "$work/muc"
done
echo "XAC NHAN $after"
