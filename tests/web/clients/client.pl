# A Perl agency: SOAP::Lite by hand, with its own types and action. Arguments: URL, token, message file, dossier code.
use strict;
use warnings;
use SOAP::Lite;
use MIME::Base64;
use Digest::SHA qw(sha256_hex);
use JSON::PP;

my ($url, $token, $file, $code, @walls) = @ARGV;
my $ns = 'http://www.dongnai.gov.vn/lienthong/dichvu/1.0';
open my $in, '<:raw', $file or die $!;
my $message = do { local $/; <$in> };
my $soap = SOAP::Lite->proxy($url)->default_ns($ns)->autotype(1)->on_fault(sub { $_[1] });
$soap->transport->http_request->header(Authorization => "Bearer $token");
my $call = sub {
    my ($name, %parameters) = @_;
    return $soap->call($name, map { SOAP::Data->name($_ => $parameters{$_}) } keys %parameters);
};
my %out;
my $sent = $call->('GuiThongDiep', NoiDung => SOAP::Data->type(base64 => $message)->value);
$sent = $soap->call('GuiThongDiep', SOAP::Data->name('NoiDung')->type('xsd:string')->value(encode_base64($message)));
$out{sent} = $sent->valueof('//TraLoi/KetQua');
$out{receipt} = sha256_hex(decode_base64($sent->valueof('//TraLoi/BienNhan')));
$out{newest} = $call->('LayCapNhat', Sau => 0)->valueof('//TraLoi/MoiNhat');
my $got = $call->('LayThongDiep', MaThongDiep => $sent->valueof('//TraLoi/SoTiepNhan'))->valueof('//TraLoi/NoiDung');
$out{original} = decode_base64($got) eq $message ? JSON::PP::true : JSON::PP::false;
$out{dossier} = $call->('TraCuuHoSo', MaHoSo => $code)->valueof('//TraLoi/MaHoSo');
$out{fate} = $call->('TrangThaiThongDiep', MaThongDiep => $sent->valueof('//TraLoi/MaThongDiep'))->valueof('//TraLoi/KetQua');
$out{checked} = $soap->call('KiemTraThongDiep', SOAP::Data->name('NoiDung')->value(encode_base64('<a/>')))->valueof('//TraLoi/KetQua');
my $bad = $soap->call('GuiThongDiep', SOAP::Data->name('NoiDung')->value(encode_base64('<a/>')));
$out{fault} = $bad->faultcode;
$out{codes} = [$bad->valueof('//detail/LoiXuLy/DanhSachLoi/Loi/MaChiTiet')];
for (@walls) {  # "name url token": what comes back there, as it would stand in a log
    my ($name, $where, $other) = split / /;
    $soap->proxy($where)->transport->http_request->header(Authorization => "Bearer $other");
    my $met = $soap->call('GuiThongDiep', SOAP::Data->name('NoiDung')->type('xsd:string')->value(encode_base64($message)));
    $out{walls}{$name} = $met->faultstring;
}
print encode_json(\%out);
