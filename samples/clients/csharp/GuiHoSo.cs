// C# / .NET ≥ 8: ký một hồ sơ, gửi bằng REST rồi bằng SOAP, lấy hộp thư của mình, xác nhận.
// C# / .NET ≥ 8: sign a dossier, submit it by REST and by SOAP, pull the inbox, acknowledge.
//   dotnet run -- http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem ../ho-so.xml
// Đã rà soát, chưa chạy trong bộ kiểm thử của dự án. / Reviewed; not run by this project's tests.
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Security.Cryptography.Xml;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml;

const string Dv = "http://www.dongnai.gov.vn/lienthong/dichvu/1.0";
var (url, token) = (args[0], args[1]);
using var certificate = X509Certificate2.CreateFromPemFile(args[3], args[2]);
using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(60) };
http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);

// 1. Điền mẫu. / Fill in the form.
var now = DateTimeOffset.UtcNow.ToOffset(TimeSpan.FromHours(7));
var filled = File.ReadAllText(args[4]).Replace("@MaThongDiep@", Guid.NewGuid().ToString())
    .Replace("@ThoiDiem@", now.ToString("yyyy-MM-dd'T'HH:mm:sszzz"))
    .Replace("@MaHoSo@", $"H19.901-{now:yyMMdd}-{RandomNumberGenerator.GetInt32(10_000_000):D7}");
var signed = Sign(filled);

// 2. REST: 201 và biên nhận có chữ ký. / 201 and a signed receipt.
var (status, receipt) = await Call("/v1/messages", "application/xml", signed, "application/xml");
Console.WriteLine($"REST {status} {Regex.Match(Encoding.UTF8.GetString(receipt), "KetQua>([A-Z_]+)").Groups[1].Value}");

// 3. SOAP: đúng các byte ấy, nên đúng biên nhận ấy. / The same bytes, so the same receipt.
var envelope = $"<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><GuiThongDiep xmlns=\"{Dv}\">"
    + $"<NoiDung>{Convert.ToBase64String(signed)}</NoiDung></GuiThongDiep></s:Body></s:Envelope>";
var (_, answer) = await Call("/soap", "text/xml", Encoding.UTF8.GetBytes(envelope), "text/xml", $"\"{Dv}/GuiThongDiep\"");
var again = Regex.Match(Encoding.UTF8.GetString(answer), "<BienNhan>([^<]+)").Groups[1].Value;
if (Convert.FromBase64String(again).AsSpan().SequenceEqual(receipt))
    Console.WriteLine("SOAP cùng biên nhận / same receipt");

// 4. Hộp thư: hỏi sau vị trí N là xác nhận đã nhận tới N. / Asking after N acknowledges up to N.
var after = "0";
for (var more = true; more;)
{
    more = false;
    var page = Encoding.UTF8.GetString((await Call($"/v1/inbox?after={after}&limit=100", "application/xml")).Body);
    foreach (Match m in Regex.Matches(page, "<ViTri>(\\d+)<.*?<LoaiThongDiep>(HS\\d+)<.*?<DuongDan>([^<]+)<"))
    {
        var (_, original) = await Call(m.Groups[3].Value, "application/xml");
        Console.WriteLine($"HOP THU {m.Groups[1].Value} {m.Groups[2].Value} {original.Length} byte");
        (after, more) = (m.Groups[1].Value, true);
    }
}
Console.WriteLine($"XAC NHAN {after}");

// Chữ ký bao trùm cả phong bì, là phần tử con cuối cùng. / The signature covers the envelope, as its last child.
byte[] Sign(string text)
{
    var document = new XmlDocument { PreserveWhitespace = true, XmlResolver = null };
    document.LoadXml(text);
    // .NET ký ECDSA trong XML từ bản 5 chỉ khi được đăng ký; khóa RSA dùng được ngay. / SignedXml knows RSA out of the box;
    // for ECDSA register a SignatureDescription for http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256.
    var key = certificate.GetRSAPrivateKey() ?? throw new NotSupportedException("RSA");
    var xml = new SignedXml(document) { SigningKey = key };
    xml.SignedInfo!.CanonicalizationMethod = SignedXml.XmlDsigExcC14NTransformUrl;
    xml.SignedInfo.SignatureMethod = SignedXml.XmlDsigRSASHA256Url;
    var reference = new Reference("") { DigestMethod = SignedXml.XmlDsigSHA256Url };
    reference.AddTransform(new XmlDsigEnvelopedSignatureTransform());
    reference.AddTransform(new XmlDsigExcC14NTransform());
    xml.AddReference(reference);
    xml.KeyInfo = new KeyInfo();
    xml.KeyInfo.AddClause(new KeyInfoX509Data(certificate));
    xml.ComputeSignature();
    document.DocumentElement!.AppendChild(document.ImportNode(xml.GetXml(), true));
    using var bytes = new MemoryStream();
    using (var writer = XmlWriter.Create(bytes, new XmlWriterSettings { Encoding = new UTF8Encoding(false) }))
        document.Save(writer);
    return bytes.ToArray();
}

async Task<(int Status, byte[] Body)> Call(string path, string accept, byte[]? body = null, string? type = null, string? action = null)
{
    using var request = new HttpRequestMessage(body is null ? HttpMethod.Get : HttpMethod.Post, url + path);
    request.Headers.Accept.ParseAdd(accept);
    if (action is not null) request.Headers.Add("SOAPAction", action);
    if (body is not null)
    {
        request.Content = new ByteArrayContent(body);
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(type!) { CharSet = type == "text/xml" ? "utf-8" : null };
    }
    using var response = await http.SendAsync(request);
    var bytes = await response.Content.ReadAsByteArrayAsync();
    if (!response.IsSuccessStatusCode) throw new InvalidOperationException($"{(int)response.StatusCode} {Encoding.UTF8.GetString(bytes)}");
    return ((int)response.StatusCode, bytes);
}
