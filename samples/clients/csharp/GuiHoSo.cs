// C#, .NET Framework ≥ 4.7.2, .NET ≥ 8 hay Mono: ký một hồ sơ, gửi bằng REST rồi bằng SOAP, lấy hộp thư của mình, xác nhận.
// C#, .NET Framework ≥ 4.7.2, .NET ≥ 8 or Mono: sign a dossier, submit it by REST and by SOAP, pull the inbox, acknowledge.
//   dotnet run -- http://127.0.0.1:8080 TOKEN khoa.pfx MAT_KHAU ../ho-so.xml
// khoa.pfx từ hai tệp PEM / khoa.pfx from the two PEM files (RSA):
//   openssl pkcs12 -export -inkey khoa.pem -in chung-thu.pem -out khoa.pfx -certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha1
using System;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Security.Cryptography.Xml;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml;

public static class GuiHoSo
{
    const string Dv = "http://www.dongnai.gov.vn/lienthong/dichvu/1.0";
    const string ExcC14N = "http://www.w3.org/2001/10/xml-exc-c14n#";
    const string Sha256 = "http://www.w3.org/2001/04/xmlenc#sha256", RsaSha256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    static readonly HttpClient Http = new HttpClient { Timeout = TimeSpan.FromSeconds(60) };
    static string url;

    public static void Main(string[] args)
    {
        Console.OutputEncoding = new UTF8Encoding(false);
        url = args[0];
        Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", args[1]);
        var certificate = new X509Certificate2(args[2], args[3], X509KeyStorageFlags.Exportable);

        var signed = Sign(FillIn(args[4]), certificate);

        // 2. REST: 201 và xác nhận tiếp nhận thông điệp có chữ ký. / 201 and a signed receipt.
        var receipt = Call("/v1/messages", "application/xml", signed, "application/xml", null, out var status);
        Console.WriteLine($"REST {status} {Regex.Match(Encoding.UTF8.GetString(receipt), "KetQua>([A-Z_]+)").Groups[1].Value}");

        // 3. SOAP: đúng các byte đó, nên đúng xác nhận tiếp nhận thông điệp đó. / The same bytes, so the same receipt.
        var envelope = $"<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><GuiThongDiep xmlns=\"{Dv}\">"
            + $"<NoiDung>{Convert.ToBase64String(signed)}</NoiDung></GuiThongDiep></s:Body></s:Envelope>";
        var answer = Call("/soap", "text/xml", Encoding.UTF8.GetBytes(envelope), "text/xml", $"\"{Dv}/GuiThongDiep\"", out status);
        var again = Regex.Match(Encoding.UTF8.GetString(answer), "<BienNhan>([^<]+)").Groups[1].Value;
        if (Convert.FromBase64String(again).SequenceEqual(receipt)) Console.WriteLine("SOAP cùng xác nhận tiếp nhận thông điệp / same receipt");

        // 4. Hộp thư: hỏi sau vị trí N là xác nhận đã nhận tới N. / Asking after N acknowledges up to N.
        var after = "0";
        for (var more = true; more;)
        {
            more = false;
            var page = Encoding.UTF8.GetString(Call($"/v1/inbox?after={after}&limit=100", "application/xml", null, null, null, out status));
            foreach (Match m in Regex.Matches(page, "<ViTri>(\\d+)<.*?<LoaiThongDiep>(HS\\d+)<.*?<DuongDan>([^<]+)<", RegexOptions.Singleline))
            {
                var original = Call(m.Groups[3].Value, "application/xml", null, null, null, out status);
                Console.WriteLine($"HOP THU {m.Groups[1].Value} {m.Groups[2].Value} {original.Length} byte");
                after = m.Groups[1].Value;
                more = true;
            }
        }
        Console.WriteLine($"XAC NHAN {after}");
    }

    // 1. Điền mẫu. / Fill in the form.
    internal static string FillIn(string form)
    {
        var now = DateTimeOffset.UtcNow.ToOffset(TimeSpan.FromHours(7));
        var number = Guid.NewGuid().ToByteArray().Take(4).Aggregate(0L, (sum, b) => sum * 256 + b) % 10000000;
        return File.ReadAllText(form, Encoding.UTF8).Replace("@MaThongDiep@", Guid.NewGuid().ToString())
            .Replace("@ThoiDiem@", now.ToString("yyyy-MM-dd'T'HH:mm:sszzz"))
            .Replace("@MaHoSo@", $"H19.901-{now:yyMMdd}-{number:D7}");
    }

    // Chữ ký bao trùm cả phong bì, là phần tử con cuối cùng. / The signature covers the envelope, as its last child.
    internal static byte[] Sign(string text, X509Certificate2 certificate)
    {
        var document = new XmlDocument { PreserveWhitespace = true, XmlResolver = null };
        document.LoadXml(text);
        var xml = new SignedXml(document) { SigningKey = certificate.GetRSAPrivateKey() };
        xml.SignedInfo.CanonicalizationMethod = ExcC14N;
        xml.SignedInfo.SignatureMethod = RsaSha256;
        var reference = new Reference("") { DigestMethod = Sha256 };
        reference.AddTransform(new XmlDsigEnvelopedSignatureTransform());
        reference.AddTransform(new XmlDsigExcC14NTransform());
        xml.AddReference(reference);
        xml.KeyInfo = new KeyInfo();
        xml.KeyInfo.AddClause(new KeyInfoX509Data(certificate));
        xml.ComputeSignature();
        document.DocumentElement.AppendChild(document.ImportNode(xml.GetXml(), true));
        using (var bytes = new MemoryStream())
        {
            using (var writer = XmlWriter.Create(bytes, new XmlWriterSettings { Encoding = new UTF8Encoding(false) })) document.Save(writer);
            return bytes.ToArray();
        }
    }

    static byte[] Call(string path, string accept, byte[] body, string type, string action, out int status)
    {
        using (var request = new HttpRequestMessage(body == null ? HttpMethod.Get : HttpMethod.Post, url + path))
        {
            request.Headers.Accept.ParseAdd(accept);
            if (action != null) request.Headers.Add("SOAPAction", action);
            if (body != null)
            {
                request.Content = new ByteArrayContent(body);
                request.Content.Headers.ContentType = new MediaTypeHeaderValue(type) { CharSet = type == "text/xml" ? "utf-8" : null };
            }
            using (var response = Http.SendAsync(request).GetAwaiter().GetResult())
            {
                var bytes = response.Content.ReadAsByteArrayAsync().GetAwaiter().GetResult();
                status = (int)response.StatusCode;
                if (status >= 300) throw new InvalidOperationException($"{status} {Encoding.UTF8.GetString(bytes)}");
                return bytes;
            }
        }
    }
}
