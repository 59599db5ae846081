<?php
// PHP ≥ 8.1 (dom, openssl): gửi lại khi mất trả lời, kiểm xác nhận tiếp nhận thông điệp, lấy hộp thư, nhận thông điệp được đẩy tới.
// PHP ≥ 8.1 (dom, openssl): resend after a lost answer, verify the receipt, read the inbox, take what is pushed.
//   php chay-that.php http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem gui          truc.pem: chứng thư của trục
//   php chay-that.php http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem lay          the gateway's certificate
//   php chay-that.php http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem nhan 8400    cổng nghe / the port
// Sổ là thư mục so/ (bản thật: cơ sở dữ liệu). / The books are the folder so/ (in service: a database).
declare(strict_types=1);
require __DIR__ . '/gui-ho-so.php';
const LT = 'http://www.dongnai.gov.vn/lienthong/phongbi/1.0';
const HS = 'http://www.dongnai.gov.vn/lienthong/hoso/1.0';
const WAITS_S = [0, 1, 4, 9, 16];

/** Ghi trọn tệp rồi mới đổi tên: không bao giờ có tệp dở dang. / Written whole, then renamed: never half a file. */
function keep(string $name, string $content): void
{
    $file = fopen("so/$name.moi", 'wb');
    fwrite($file, $content);
    fsync($file);
    fclose($file);
    rename("so/$name.moi", "so/$name");
}

function say(string ...$words): void
{
    echo implode(' ', $words), "\n";
}

function stop(string $why): never
{
    say($why);
    exit(1);
}

/** Một lượt gọi; trạng thái 0 khi không có trả lời. / One call; status 0 where no answer came. */
function ask(string $url, string $token, string $accept, ?string $body = null): array
{
    $headers = ["Authorization: Bearer $token", "Accept: $accept", 'Content-Type: application/xml'];
    $http = ['method' => $body === null ? 'GET' : 'POST', 'header' => $headers, 'content' => $body, 'timeout' => 60];
    $answer = @file_get_contents($url, false, stream_context_create(['http' => $http + ['ignore_errors' => true]]));
    return $answer === false ? [0, ''] : [(int) explode(' ', $http_response_header[0])[1], $answer];
}

/** Do đúng trục ký, về đúng các byte đã gửi; nếu không thì nêu lý do. / Why it is not the gateway's about what was sent; or null. */
function doubt(string $receipt, string $sent, string $gateway): ?string
{
    $document = new DOMDocument();
    if (!@$document->loadXML($receipt, LIBXML_NONET) || $document->doctype) {
        return 'không phải XML / no XML';
    }
    $root = $document->documentElement;
    $signature = $root->lastElementChild; // đúng một Signature, là phần tử con cuối của gốc / one, the root's last child
    if ($document->getElementsByTagNameNS(DS, 'Signature')->length !== 1 || $signature->namespaceURI !== DS) {
        return 'chữ ký không ở chỗ của nó / the signature is not where it belongs';
    }
    $find = fn (string $path, DOMNode $from) => iterator_to_array(xpath($document)->query($path, $from));
    [$info] = $find('ds:SignedInfo', $signature);
    [$method] = $find('ds:SignatureMethod/@Algorithm', $info);
    $value = base64_decode($find('ds:SignatureValue', $signature)[0]->nodeValue);
    if (str_ends_with($method->value, 'ecdsa-sha256')) { // r nối s -> DER
        $value = der($value);
    } elseif (!str_ends_with($method->value, 'rsa-sha256')) {
        return "thuật toán / algorithm $method->value";
    }
    if (openssl_verify($info->C14N(true), $value, openssl_pkey_get_public($gateway), OPENSSL_ALGO_SHA256) !== 1) {
        return 'chữ ký không phải của trục / the signature is not the gateway\'s';
    }
    $references = $find('ds:Reference', $info);
    $detached = fn () => $root->removeChild($signature);
    foreach (array_reverse($references) as $at => $reference) { // gốc sau cùng, vì chữ ký được gỡ ra / the root last
        $id = substr($reference->getAttribute('URI'), 1);
        $part = $id === '' ? $root : ($find("//*[@Id='$id']", $root)[0] ?? null);
        $digest = base64_decode($find('ds:DigestValue', $reference)[0]->nodeValue);
        if ($part === $root) {
            $detached();
        }
        if ($part === null || hash('sha256', $part->C14N(true), true) !== $digest) {
            return 'nội dung bị thay đổi / the content was changed';
        }
    }
    if ($references[0]->getAttribute('URI') !== '') {
        return 'chữ ký không bao trùm cả thông điệp / it does not cover the whole';
    }
    $ma = fn (string $xml) => preg_match('/<(?:\w+:)?MaThongDiep>([^<]+)/', $xml, $m) ? $m[1] : '';
    $inner = fn (string $name) => $find("lt:ThanPhan/hs:BienNhan/hs:$name", $root)[0]->nodeValue ?? '';
    if ($inner('MaThongDiepGoc') !== $ma($sent) || $inner('BamNoiDung') !== hash('sha256', $sent)) {
        return 'về thông điệp khác / about another message';
    }
    return null;
}

function xpath(DOMDocument $document): DOMXPath
{
    $xpath = new DOMXPath($document);
    foreach (['ds' => DS, 'lt' => LT, 'hs' => HS] as $prefix => $namespace) {
        $xpath->registerNamespace($prefix, $namespace);
    }
    return $xpath;
}

/** XML Signature ghi r nối s, openssl cần DER. / XML Signature writes r and s, openssl wants DER. */
function der(string $raw): string
{
    $numbers = '';
    foreach (str_split($raw, intdiv(strlen($raw), 2)) as $number) {
        $number = ltrim($number, "\0");
        $number = ord($number[0] ?? "\x80") > 127 ? "\0$number" : $number;
        $numbers .= "\x02" . chr(strlen($number)) . $number;
    }
    return "\x30" . (strlen($numbers) > 127 ? "\x81" : '') . chr(strlen($numbers)) . $numbers;
}

/** Ghi trước, gửi sau; chưa có trả lời thì gửi lại đúng các byte ấy. / Store, then send; no answer: the same bytes again. */
function send(string $url, string $token, string $key, string $certificate, string $gateway): void
{
    $owed = fn () => array_filter(glob('so/gui-*.xml'), fn ($file) => !file_exists("$file.tra-loi"));
    if (!$owed()) {
        $signed = sign(fillIn('ho-so.xml'), $key, $certificate);
        keep('gui-' . hash('sha256', $signed) . '.xml', $signed);
    }
    foreach ($owed() as $file) {
        $signed = file_get_contents($file);
        [$status, $answer] = handIn($url, $token, $signed);
        if ($status < 300 && ($why = doubt($answer, $signed, $gateway)) !== null) {
            stop("KHONG TIN $why");
        }
        keep(basename($file) . '.tra-loi', $answer);
        if ($status >= 300) { // từ chối: đọc mã lỗi, sửa, ký lại / refused: read why, mend, sign again
            stop("TU CHOI $status $answer");
        }
        preg_match('/MaThongDiepGoc>([^<]+).*KetQua>([A-Z_]+)/s', $answer, $said);
        say('BIEN NHAN', $said[2], (string) $status, $said[1]); // 200: trục đã có từ trước / it had it already
    }
}

function handIn(string $url, string $token, string $signed): array
{
    foreach (WAITS_S as $wait) {
        sleep($wait);
        [$status, $answer] = ask("$url/v1/messages", $token, 'application/xml', $signed);
        if (!in_array($status, [0, 202, 429, 503], true)) {
            return [$status, $answer];
        }
        say('GUI LAI', (string) $status);
    }
    stop('CHUA BIET: gửi lại sau đúng các byte ấy / not known: the same bytes later');
}

/** Xử lý xong mới ghi vị trí; bị ngắt giữa chừng thì nhận ra theo MaThongDiep. / The position after the work; repeats by their id. */
function pull(string $url, string $token): never
{
    while (true) {
        [$generation, $after] = array_map('intval', explode(' ', @file_get_contents('so/vi-tri') ?: '1 0'));
        [$status, $said] = ask("$url/v1/inbox?after=$after&generation=$generation&wait=20", $token, 'application/json');
        if ($status === 409 && str_contains($said, 'SYS-144') && preg_match('/after=(\d+).*generation=(\d+)/', $said, $back)) {
            keep('vi-tri', "$back[2] $back[1]"); // trục được khôi phục / the gateway was restored
            say('HOI LAI TU', $back[1], $back[2]);
            continue;
        }
        if (in_array($status, [0, 429, 503], true)) {
            say('MAT KET NOI');
            sleep(1);
            continue;
        }
        if ($status !== 200) { // SYS-143: vị trí của trục khác; một người phải xem / of another gateway: a person must look
            stop("DUNG $status $said");
        }
        $page = json_decode($said);
        foreach ($page->DanhSachMuc as $entry) {
            if ($entry->ViTri !== $after + 1) { // không bao giờ bỏ qua một số / never past a number that is missing
                say('THIEU', (string) ($after + 1));
                sleep(1);
                break;
            }
            [$status, $original] = ask($url . $entry->DuongDan, $token, 'application/xml');
            if ($status !== 200) {
                break;
            }
            if (hash('sha256', $original) !== $entry->BamNoiDung) {
                stop('nội dung không khớp băm / the content does not fit its hash');
            }
            $known = file_exists("so/nhan-$entry->MaThongDiep.xml");
            $known || keep("nhan-$entry->MaThongDiep.xml", $original);
            keep('vi-tri', ($page->DauNhatKy->TheHe ?? 1) . ' ' . ++$after);
            say($known ? 'DA CO' : 'HOP THU', (string) $after, $entry->LoaiThongDiep);
        }
    }
}

/** Ghi, ký, rồi mới trả 200; lặp lại thì trả đúng bản cũ. / Store, sign, then 200; a repeat gets the first. */
function receive(string $ma, string $body, string $key, string $certificate): array
{
    $file = "so/nhan-$ma.xml"; // bản thật: kiểm chữ ký và kiểm ai gọi / in service: verify the signature, and who calls
    if (!preg_match('/^[0-9a-f-]{36}$/', $ma)) {
        return [422, '<Loi>MA_THONG_DIEP</Loi>'];
    }
    say(file_exists($file) ? 'LAP LAI' : 'NHAN', $ma);
    file_exists($file) || keep(basename($file), $body);
    if (file_get_contents($file) !== $body) {
        return [422, '<Loi>XUNG_DOT_MA_THONG_DIEP</Loi>'];
    }
    if (!file_exists("$file.bien-nhan")) {
        preg_match('/NoiNhan>.*?MaDinhDanh>([^<]+)/s', $body, $ours);
        $filled = ['@MaThongDiepGoc@' => $ma, '@NoiGui@' => $ours[1], '@BamNoiDung@' => hash('sha256', $body)];
        keep(basename($file) . '.bien-nhan', sign(fillIn('bien-nhan.xml', $filled), $key, $certificate));
    }
    return [200, file_get_contents("$file.bien-nhan")];
}

/** Một máy chủ HTTP nhỏ; bản thật đặt receive() sau php-fpm. / A small HTTP server; in service receive() is behind php-fpm. */
function listen(int $port, string $key, string $certificate): never
{
    $server = stream_socket_server("tcp://127.0.0.1:$port");
    say('NGHE', substr(strrchr(stream_socket_get_name($server, false), ':'), 1));
    while (true) {
        if (!$wire = @stream_socket_accept($server, 3600)) {
            continue;
        }
        $head = '';
        while (!str_ends_with($head, "\r\n\r\n") && ($line = fgets($wire)) !== false) {
            $head .= $line;
        }
        preg_match('/^Content-Length: *(\d+)/mi', $head, $length);
        preg_match('/^MaThongDiep: *(\S+)/mi', $head, $ma);
        $body = stream_get_contents($wire, (int) ($length[1] ?? 0));
        [$status, $said] = receive($ma[1] ?? '', $body, $key, $certificate);
        $more = "Content-Type: application/xml\r\nContent-Length: " . strlen($said) . "\r\nConnection: close";
        fwrite($wire, "HTTP/1.1 $status -\r\n$more\r\n\r\n$said");
        fclose($wire);
    }
}

[, $url, $token, $keyFile, $certificateFile, $gatewayFile, $verb] = $argv;
$pair = [file_get_contents($keyFile), file_get_contents($certificateFile)];
is_dir('so') || mkdir('so');
match ($verb) {
    'gui' => send($url, $token, $pair[0], $pair[1], file_get_contents($gatewayFile)),
    'lay' => pull($url, $token),
    'nhan' => listen((int) $argv[7], $pair[0], $pair[1]),
};
