<?php
// PHP ≥ 8.1 (dom, openssl, soap): ký một hồ sơ, gửi bằng REST rồi bằng SOAP, lấy hộp thư của mình, xác nhận.
// PHP ≥ 8.1 (dom, openssl, soap): sign a dossier, submit it by REST and by SOAP, pull the inbox, acknowledge.
//   php gui-ho-so.php http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem
declare(strict_types=1);
const DS = 'http://www.w3.org/2000/09/xmldsig#';
const EXC = 'http://www.w3.org/2001/10/xml-exc-c14n#';

/** 1. Điền mẫu. / Fill in the form. */
function fillIn(string $form, array $more = []): string
{
    $uuid = bin2hex(random_bytes(16));
    $uuid[12] = '4';
    $uuid[16] = '89ab'[random_int(0, 3)];
    $now = new DateTimeImmutable('now', new DateTimeZone('Asia/Ho_Chi_Minh'));
    return strtr(file_get_contents(__DIR__ . "/../$form"), $more + [
        '@MaThongDiep@' => preg_replace('/^(.{8})(.{4})(.{4})(.{4})(.{12})$/', '$1-$2-$3-$4-$5', $uuid),
        '@ThoiDiem@' => $now->format('c'),
        '@MaHoSo@' => sprintf('H19.901-%s-%07d', $now->format('ymd'), random_int(0, 9999999)),
    ]);
}

/** Chữ ký bao trùm cả phong bì, là phần tử con cuối cùng. / The signature covers the envelope, as its last child. */
function sign(string $body, string $keyPem, string $certificatePem): string
{
    $key = openssl_pkey_get_private($keyPem);
    $ec = openssl_pkey_get_details($key)['type'] === OPENSSL_KEYTYPE_EC;
    $document = new DOMDocument();
    $document->loadXML($body, LIBXML_NONET);
    $digest = base64_encode(hash('sha256', $document->documentElement->C14N(true), true));
    $method = 'http://www.w3.org/2001/04/xmldsig-more#' . ($ec ? 'ecdsa-sha256' : 'rsa-sha256');
    preg_match('/-----BEGIN CERTIFICATE-----(.+?)-----END/s', $certificatePem, $certificate);
    $certificate = preg_replace('/\s/', '', $certificate[1]);
    $fragment = $document->createDocumentFragment();
    $fragment->appendXML('<ds:Signature xmlns:ds="' . DS . '"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="' . EXC
        . '"/><ds:SignatureMethod Algorithm="' . $method . '"/><ds:Reference URI=""><ds:Transforms><ds:Transform Algorithm="'
        . DS . 'enveloped-signature"/><ds:Transform Algorithm="' . EXC . '"/></ds:Transforms><ds:DigestMethod '
        . 'Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>' . $digest . '</ds:DigestValue>'
        . '</ds:Reference></ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate>'
        . $certificate . '</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>');
    $signature = $document->documentElement->appendChild($fragment);
    openssl_sign($signature->firstChild->C14N(true), $value, $key, OPENSSL_ALGO_SHA256);
    if ($ec) { // openssl cho DER; XML Signature cần r nối s. / openssl gives DER, XML Signature wants r and s.
        $length = intdiv(openssl_pkey_get_details($key)['bits'] + 7, 8);
        $at = ord($value[1]) > 127 ? 3 : 2;
        $value = implode('', array_map(function () use ($value, &$at, $length) {
            $size = ord($value[$at + 1]);
            $number = ltrim(substr($value, $at + 2, $size), "\0");
            $at += 2 + $size;
            return str_pad($number, $length, "\0", STR_PAD_LEFT);
        }, [0, 1]));
    }
    $signature->childNodes->item(1)->nodeValue = base64_encode($value);
    return $document->saveXML();
}

/** Một lượt gọi REST. / One call. */
function call(string $url, string $token, string $accept, ?string $body = null): array
{
    $headers = ["Authorization: Bearer $token", "Accept: $accept", 'Content-Type: application/xml'];
    $http = ['method' => $body === null ? 'GET' : 'POST', 'header' => $headers, 'content' => $body, 'timeout' => 60];
    $answer = file_get_contents($url, false, stream_context_create(['http' => $http]));
    if ($answer === false) {
        exit(1);
    }
    return [(int) explode(' ', $http_response_header[0])[1], $answer];
}

if (realpath($_SERVER['SCRIPT_FILENAME']) !== __FILE__) {
    return; // chay-that.php dùng các hàm trên / uses the functions above
}
[, $url, $token, $keyFile, $certificateFile] = $argv;

// 2. REST: 201 và xác nhận tiếp nhận thông điệp có chữ ký. / 201 and a signed receipt.
$signed = sign(fillIn('ho-so.xml'), file_get_contents($keyFile), file_get_contents($certificateFile));
[$status, $receipt] = call("$url/v1/messages", $token, 'application/xml', $signed);
preg_match('/KetQua>([A-Z_]+)/', $receipt, $ketQua);
echo "REST $status $ketQua[1]\n";

// 3. SOAP: đúng các byte đó, nên đúng xác nhận tiếp nhận thông điệp đó. / The same bytes, so the same receipt.
$context = stream_context_create(['http' => ['header' => "Authorization: Bearer $token"]]);
$soap = new SoapClient("$url/soap?wsdl", ['stream_context' => $context, 'cache_wsdl' => WSDL_CACHE_NONE]);
if ($soap->GuiThongDiep(['NoiDung' => $signed])->TraLoi->BienNhan === $receipt) {
    echo "SOAP cùng xác nhận tiếp nhận thông điệp / same receipt\n";
}

// 4. Hộp thư: hỏi sau vị trí N là xác nhận đã nhận tới N. / Asking after N acknowledges up to N.
$after = 0;
while ($page = json_decode(call("$url/v1/inbox?after=$after&limit=100", $token, 'application/json')[1])->DanhSachMuc) {
    foreach ($page as $entry) {
        $original = call($url . $entry->DuongDan, $token, 'application/xml')[1];
        echo "HOP THU $entry->ViTri $entry->LoaiThongDiep ", strlen($original), " byte\n";
        $after = $entry->ViTri;
    }
}
echo "XAC NHAN $after\n";
