#!/usr/bin/env bash
# curl + xmlsec1: gửi lại khi mất trả lời, kiểm xác nhận tiếp nhận thông điệp, lấy hộp thư, nhận thông điệp được đẩy tới.
# curl + xmlsec1: resend after a lost answer, verify the receipt, read the inbox, take what is pushed.
#   chay-that.sh http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem gui     # truc.pem: chứng thư của trục
#   chay-that.sh http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem lay     # the gateway's certificate
#   systemd-socket-activate -l 127.0.0.1:8400 --accept --inetd \
#     chay-that.sh http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem nhan  # mỗi kết nối một lần chạy / one run a connection
# Sổ là thư mục so/ (bản thật: cơ sở dữ liệu). / The books are the folder so/ (in service: a database).
source "$(dirname "$0")/gui-ho-so.sh"
gateway=$5 verb=$6
mkdir -p so

# Ghi trọn tệp rồi mới đổi tên: không bao giờ có tệp dở dang. / Written whole, then renamed: never half a file. keep TEP TEN
keep() { cp "$1" "so/$2.$$"; sync "so/$2.$$"; mv "so/$2.$$" "so/$2"; }
stop() { echo "$*"; exit 1; }
hash_of() { sha256sum < "$1" | cut -d ' ' -f 1; }
value() { grep -o "<[a-z]*:\?$1>[^<]*" "$2" | sed -n '1s/.*>//p' || true; } # trống khi không có / empty where there is none

# Trạng thái HTTP, 000 khi không có trả lời; thân nằm ở tệp. / HTTP's status, 000 without an answer; the body goes to the file.
ask() { # ask TEP DUONG_DAN [curl …]
  local out=$1 path=$2; shift 2
  curl -sS --max-time 60 -H "Authorization: Bearer $token" -H 'Accept: application/xml' -o "$out" -w '%{http_code}' "$@" "$url$path" 2> /dev/null || true
}

# Do đúng trục ký, về đúng các byte đã gửi. / Signed by the gateway, about what was sent. genuine BIEN_NHAN DA_GUI
genuine() {
  # key-name: không dùng chứng thư đi kèm / not the certificate that comes along
  xmlsec1 --verify $lax --pubkey-cert-pem "$gateway" --enabled-key-data key-name \
    --id-attr:Id http://uri.etsi.org/01903/v1.3.2#:SignedProperties "$1" > "$work/xmlsec" 2>&1 || return 1
  [[ $(grep -o '<ds:SignedInfo[ >]' "$1" | wc -l) == 1 ]] && grep -q '<ds:Reference [^>]*URI=""' "$1" || return 1 # cả thông điệp / the whole
  [[ $(value MaThongDiepGoc "$1") == "$(value MaThongDiep "$2")" && $(value BamNoiDung "$1") == "$(hash_of "$2")" ]]
}

# Ghi trước, gửi sau; chưa có trả lời thì gửi lại đúng các byte ấy. / Store, then send; no answer: the same bytes again.
send() {
  owed=$(for file in so/gui-*.xml; do [[ ! -e $file || -e $file.tra-loi ]] || echo "$file"; done)
  if [[ -z $owed ]]; then
    fill ho-so.xml "$work/ho-so.xml"; sign "$work/ho-so.xml" "$work/da-ky.xml"
    owed=so/gui-$(hash_of "$work/da-ky.xml").xml; keep "$work/da-ky.xml" "${owed#so/}"
  fi
  for file in $owed; do
    for wait in 0 1 4 9 16 het; do
      [[ $wait != het ]] || stop 'CHUA BIET: gửi lại sau đúng các byte ấy / not known: the same bytes later'
      sleep "$wait"
      status=$(ask "$work/tra-loi" /v1/messages -H 'Content-Type: application/xml' --data-binary "@$file")
      [[ $status =~ ^(000|202|429|503)$ ]] || break
      echo "GUI LAI $status"
    done
    if ((status < 300)); then
      genuine "$work/tra-loi" "$file" || stop "KHONG TIN: không phải của trục về thông điệp này / not the gateway's about this message"
    fi
    keep "$work/tra-loi" "${file#so/}.tra-loi"
    ((status < 300)) || stop "TU CHOI $status $(cat "$work/tra-loi")" # đọc mã lỗi, sửa, ký lại / read why, mend, sign again
    echo "BIEN NHAN $(value KetQua "$work/tra-loi") $status $(value MaThongDiep "$file")" # 200: trục đã có từ trước / it had it already
  done
}

# Xử lý xong mới ghi vị trí; bị ngắt giữa chừng thì nhận ra theo MaThongDiep. / The position after the work; repeats by their id.
pull() {
  [[ -e so/vi-tri ]] || echo '1 0' > so/vi-tri
  while true; do
    read -r generation after < so/vi-tri
    status=$(ask "$work/trang" "/v1/inbox?after=$after&generation=$generation&wait=20")
    if [[ $status == 409 ]] && grep -q SYS-144 "$work/trang"; then # trục được khôi phục / the gateway was restored
      after=$(grep -o 'after=[0-9]*' "$work/trang" | sed -n '1s/.*=//p') generation=$(grep -o 'generation=[0-9]*' "$work/trang" | sed -n '1s/.*=//p')
      echo "$generation $after" > "$work/vi-tri"; keep "$work/vi-tri" vi-tri
      echo "HOI LAI TU $after $generation"; continue
    fi
    if [[ $status =~ ^(000|429|503)$ ]]; then echo 'MAT KET NOI'; sleep 1; continue; fi
    [[ $status == 200 ]] || stop "DUNG $status $(cat "$work/trang")" # SYS-143: một người phải xem / a person must look
    generation=$(value TheHe "$work/trang")
    sed 's|</Muc>|\n|g' "$work/trang" | grep '<ViTri>' > "$work/muc" || true
    while read -r entry; do
      echo "$entry" > "$work/mot-muc"
      if [[ $(value ViTri "$work/mot-muc") != $((after + 1)) ]]; then # không bao giờ bỏ qua một số / never past a missing number
        echo "THIEU $((after + 1))"; sleep 1; break
      fi
      [[ $(ask "$work/nguyen-van" "$(value DuongDan "$work/mot-muc")") == 200 ]] || break
      [[ $(hash_of "$work/nguyen-van") == "$(value BamNoiDung "$work/mot-muc")" ]] || stop 'nội dung không khớp băm / not its hash'
      name=nhan-$(value MaThongDiep "$work/mot-muc").xml known='HOP THU'
      if [[ -e so/$name ]]; then known='DA CO'; else keep "$work/nguyen-van" "$name"; fi
      echo "${generation:-1} $((after += 1))" > "$work/vi-tri"; keep "$work/vi-tri" vi-tri
      echo "$known $after $(value LoaiThongDiep "$work/mot-muc")"
    done < "$work/muc"
  done
}

# Ghi, ký, rồi mới trả 200; lặp lại thì trả đúng bản cũ. / Store, sign, then 200; a repeat gets the first.
receive() {
  local ma='' length=0 line
  while read -r line && [[ ${line%$'\r'} != '' ]]; do
    case ${line,,} in
      mathongdiep:*) ma=$(tr -dc '0-9a-f-' <<< "${line#*:}") ;;
      content-length:*) length=$(tr -dc '0-9' <<< "${line#*:}") ;;
    esac
  done
  head -c "$length" > "$work/nhan"
  local file=so/nhan-$ma.xml
  [[ ${#ma} == 36 ]] || { answer '422 -' <(echo '<Loi>MA_THONG_DIEP</Loi>'); return; }
  exec 9> "so/$ma.khoa"; flock 9 # hai lượt gửi cùng lúc / two deliveries at once
  if [[ -e $file ]]; then echo "LAP LAI $ma" >&2; else echo "NHAN $ma" >&2; keep "$work/nhan" "${file#so/}"; fi
  cmp -s "$work/nhan" "$file" || { answer '422 -' <(echo '<Loi>XUNG_DOT_MA_THONG_DIEP</Loi>'); return; }
  if [[ ! -e $file.bien-nhan ]]; then # bản thật: kiểm chữ ký và kiểm ai gọi / in service: verify the signature, and who calls
    fill bien-nhan.xml "$work/bien-nhan"
    tr -d '\n' < "$file" | sed -E 's/.*<(\w+:)?DanhSachNoiNhan>//' > "$work/noi-nhan"; ours=$(value MaDinhDanh "$work/noi-nhan")
    sed -i -e "s|@MaThongDiepGoc@|$ma|" -e "s|@NoiGui@|$ours|" -e "s|@BamNoiDung@|$(hash_of "$file")|" "$work/bien-nhan"
    sign "$work/bien-nhan" "$work/da-ky"; keep "$work/da-ky" "${file#so/}.bien-nhan"
  fi
  answer '200 OK' "$file.bien-nhan"
}
answer() {
  cat "$2" > "$work/dap"
  printf 'HTTP/1.1 %s\r\nContent-Type: application/xml\r\nContent-Length: %s\r\nConnection: close\r\n\r\n' "$1" "$(wc -c < "$work/dap")"
  cat "$work/dap"
}

case $verb in gui) send ;; lay) pull ;; nhan) receive ;; esac
