// C#, .NET ≥ 8, .NET Framework ≥ 4.7.2 hay Mono: gửi lại khi mất trả lời, kiểm xác nhận tiếp nhận thông điệp, lấy hộp thư, nhận đẩy.
// C#, .NET ≥ 8, .NET Framework ≥ 4.7.2 or Mono: resend after a lost answer, verify the receipt, read the inbox, take what is pushed.
//   dotnet build -p:StartupObject=ChayThat
//   ChayThat.exe http://127.0.0.1:8080 TOKEN khoa.pfx MAT_KHAU truc.pem gui          truc.pem: chứng thư của trục
//   ChayThat.exe http://127.0.0.1:8080 TOKEN khoa.pfx MAT_KHAU truc.pem lay          the gateway's certificate
//   ChayThat.exe http://127.0.0.1:8080 TOKEN khoa.pfx MAT_KHAU truc.pem nhan 8400    cổng nghe / the port
// Sổ là thư mục so/ (bản thật: cơ sở dữ liệu); mẫu ở .. hay MAU=. / The books are the folder so/ (in service: a database).
// SignedXml không biết ECDSA: trục phải ký bằng khóa RSA. / SignedXml has no ECDSA: the gateway must sign with an RSA key.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Security.Cryptography.Xml;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;
using System.Xml;

public static class ChayThat
{
    static readonly int[] WaitsS = { 0, 1, 4, 9, 16 }, NotKnown = { 0, 202, 429, 503 };
    static readonly HttpClient Http = new HttpClient { Timeout = TimeSpan.FromSeconds(60) };
    static readonly UTF8Encoding Utf8 = new UTF8Encoding(false);
    static readonly string Forms = Environment.GetEnvironmentVariable("MAU") ?? "..";
    static X509Certificate2 ours;
    static string url;

    public static void Main(string[] args)
    {
        Console.OutputEncoding = Utf8;
        url = args[0];
        Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", args[1]);
        Http.DefaultRequestHeaders.Accept.ParseAdd("application/xml");
        ours = new X509Certificate2(args[2], args[3], X509KeyStorageFlags.Exportable);
        Directory.CreateDirectory("so");
        if (args[5] == "gui") Send(new X509Certificate2(Pem(args[4])));
        else if (args[5] == "lay") Pull();
        else Listen(args[6]);
        Environment.Exit(0); // Mono có khi không tự kết thúc khi còn kết nối / Mono does not always end by itself while connections are kept
    }

    static byte[] Pem(string file)
    {
        var text = Regex.Match(File.ReadAllText(file), "-----BEGIN CERTIFICATE-----(.+?)-----END", RegexOptions.Singleline).Groups[1].Value;
        return Convert.FromBase64String(text);
    }

    // Ghi trọn tệp rồi mới đổi tên: không bao giờ có tệp dở dang. / Written whole, then renamed: never half a file.
    static void Keep(string name, byte[] content)
    {
        using (var file = new FileStream($"so/{name}.moi", FileMode.Create))
        {
            file.Write(content, 0, content.Length);
            file.Flush(true);
        }
        if (File.Exists($"so/{name}")) File.Replace($"so/{name}.moi", $"so/{name}", null);
        else File.Move($"so/{name}.moi", $"so/{name}");
    }

    static void Say(string line)
    {
        Console.WriteLine(line);
        Console.Out.Flush();
    }

    static void Stop(string why)
    {
        Say(why);
        Environment.Exit(1);
    }

    static string Hash(byte[] content)
    {
        using (var sha256 = SHA256.Create()) return string.Concat(sha256.ComputeHash(content).Select(b => b.ToString("x2")));
    }

    static string First(string pattern, string text) => Regex.Match(text, pattern, RegexOptions.Singleline).Groups[1].Value;

    // Một lượt gọi; trạng thái 0 khi không có trả lời. / One call; status 0 where no answer came.
    static int Call(string path, byte[] body, out byte[] said)
    {
        said = new byte[0];
        try
        {
            using (var request = new HttpRequestMessage(body == null ? HttpMethod.Get : HttpMethod.Post, url + path))
            {
                if (body != null)
                {
                    request.Content = new ByteArrayContent(body);
                    request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/xml");
                }
                using (var response = Http.SendAsync(request).GetAwaiter().GetResult())
                {
                    said = response.Content.ReadAsByteArrayAsync().GetAwaiter().GetResult();
                    return (int)response.StatusCode;
                }
            }
        }
        catch (Exception error) when (error is HttpRequestException || error is IOException || error is WebException || error is TaskCanceledException)
        {
            return 0;
        }
    }

    // Do đúng trục ký, về đúng các byte đã gửi; nếu không thì nêu lý do. / Why it is not the gateway's about what was sent; or null.
    static string Doubt(byte[] receipt, byte[] sent, X509Certificate2 gateway)
    {
        var document = new XmlDocument { PreserveWhitespace = true, XmlResolver = null };
        using (var reader = XmlReader.Create(new MemoryStream(receipt), new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit })) document.Load(reader);
        var signatures = document.GetElementsByTagName("Signature", SignedXml.XmlDsigNamespaceUrl);
        if (signatures.Count != 1 || signatures[0].ParentNode != document.DocumentElement) return "chữ ký không ở chỗ của nó / not where it belongs";
        var xml = new SignedXml(document);
        xml.LoadXml((XmlElement)signatures[0]);
        // Khóa của trục, không phải chứng thư đi kèm. / The gateway's key, not the certificate that comes along.
        try
        {
            if (!xml.CheckSignature(gateway.GetRSAPublicKey())) return "chữ ký không phải của trục, hoặc nội dung bị thay đổi / not the gateway's, or changed";
        }
        catch (CryptographicException error) { return error.Message; } // thuật toán lạ / an algorithm that it does not know
        if (!xml.SignedInfo.References.Cast<Reference>().Any(r => r.Uri == "")) return "không bao trùm cả thông điệp / it does not cover the whole";
        var text = Utf8.GetString(receipt);
        if (First("hs:MaThongDiepGoc>([^<]+)", text) != First("<(?:\\w+:)?MaThongDiep>([^<]+)", Utf8.GetString(sent))
            || First("hs:BamNoiDung>([^<]+)", text) != Hash(sent)) return "về thông điệp khác / about another message";
        return null;
    }

    // Ghi trước, gửi sau; chưa có trả lời thì gửi lại đúng các byte ấy. / Store, then send; no answer: the same bytes again.
    static void Send(X509Certificate2 gateway)
    {
        if (Owed().Count == 0)
        {
            var made = GuiHoSo.Sign(GuiHoSo.FillIn(Path.Combine(Forms, "ho-so.xml")), ours);
            Keep($"gui-{Hash(made)}.xml", made);
        }
        foreach (var file in Owed())
        {
            var signed = File.ReadAllBytes(file);
            var status = HandIn(signed, out var answer);
            var why = status < 300 ? Doubt(answer, signed, gateway) : null;
            if (why != null) Stop($"KHONG TIN {why}");
            Keep(Path.GetFileName(file) + ".tra-loi", answer);
            var text = Utf8.GetString(answer);
            if (status >= 300) Stop($"TU CHOI {status} {text}"); // đọc mã lỗi, sửa, ký lại / read why, mend, sign again
            Say($"BIEN NHAN {First("hs:KetQua>([A-Z_]+)", text)} {status} {First("hs:MaThongDiepGoc>([^<]+)", text)}"); // 200: có từ trước / it had it
        }
    }

    static List<string> Owed() => Directory.GetFiles("so", "gui-*.xml").Where(f => !File.Exists(f + ".tra-loi")).ToList();

    static int HandIn(byte[] signed, out byte[] answer)
    {
        foreach (var wait in WaitsS)
        {
            Thread.Sleep(wait * 1000);
            var status = Call("/v1/messages", signed, out answer);
            if (!NotKnown.Contains(status)) return status;
            Say($"GUI LAI {status}");
        }
        Stop("CHUA BIET: gửi lại sau đúng các byte ấy / not known: the same bytes later");
        throw new InvalidOperationException();
    }

    // Xử lý xong mới ghi vị trí; bị ngắt giữa chừng thì nhận ra theo MaThongDiep. / The position after the work; repeats by their id.
    static void Pull()
    {
        while (true)
        {
            var both = (File.Exists("so/vi-tri") ? File.ReadAllText("so/vi-tri") : "1 0").Split(' ');
            var status = Call($"/v1/inbox?after={both[1]}&generation={both[0]}&wait=20", null, out var said);
            var page = Utf8.GetString(said);
            var back = Regex.Match(page, "SYS-144.*?after=(\\d+).*?generation=(\\d+)", RegexOptions.Singleline);
            if (status == 409 && back.Success) // trục được khôi phục / the gateway was restored
            {
                Keep("vi-tri", Utf8.GetBytes($"{back.Groups[2].Value} {back.Groups[1].Value}"));
                Say($"HOI LAI TU {back.Groups[1].Value} {back.Groups[2].Value}");
            }
            else if (NotKnown.Contains(status))
            {
                Say("MAT KET NOI");
                Thread.Sleep(1000);
            }
            else if (status != 200) Stop($"DUNG {status} {page}"); // SYS-143: một người phải xem / a person must look
            else Take(page, long.Parse(both[1]));
        }
    }

    static void Take(string page, long after)
    {
        var generation = page.Contains("<TheHe>") ? First("<TheHe>(\\d+)", page) : "1";
        foreach (Match entry in Regex.Matches(page, "<Muc>.*?</Muc>", RegexOptions.Singleline))
        {
            if (First("<ViTri>(\\d+)", entry.Value) != $"{after + 1}")
            {
                Say($"THIEU {after + 1}"); // không bao giờ bỏ qua một số / never past a number that is missing
                Thread.Sleep(1000);
                return;
            }
            if (Call(First("<DuongDan>([^<]+)", entry.Value), null, out var original) != 200) return;
            if (Hash(original) != First("<BamNoiDung>([^<]+)", entry.Value)) Stop("nội dung không khớp băm / not its hash");
            var name = $"nhan-{First("<MaThongDiep>([^<]+)", entry.Value)}.xml";
            var known = File.Exists($"so/{name}");
            if (!known) Keep(name, original);
            Keep("vi-tri", Utf8.GetBytes($"{generation} {++after}"));
            Say($"{(known ? "DA CO" : "HOP THU")} {after} {First("<LoaiThongDiep>([^<]+)", entry.Value)}");
        }
    }

    // Ghi, ký, rồi mới trả 200; lặp lại thì trả đúng bản cũ. / Store, sign, then 200; a repeat gets the first.
    static int Receive(string ma, byte[] body, out byte[] answer)
    {
        answer = Utf8.GetBytes("<Loi>MA_THONG_DIEP</Loi>");
        if (!Regex.IsMatch(ma ?? "", "^[0-9a-f-]{36}$")) return 422;
        var file = $"so/nhan-{ma}.xml"; // bản thật: kiểm chữ ký và kiểm ai gọi / in service: verify the signature, and who calls
        Say($"{(File.Exists(file) ? "LAP LAI" : "NHAN")} {ma}");
        if (!File.Exists(file)) Keep(Path.GetFileName(file), body);
        answer = Utf8.GetBytes("<Loi>XUNG_DOT_MA_THONG_DIEP</Loi>");
        if (!File.ReadAllBytes(file).SequenceEqual(body)) return 422;
        if (!File.Exists(file + ".bien-nhan"))
        {
            var filled = GuiHoSo.FillIn(Path.Combine(Forms, "bien-nhan.xml")).Replace("@MaThongDiepGoc@", ma)
                .Replace("@NoiGui@", First("NoiNhan>.*?MaDinhDanh>([^<]+)", Utf8.GetString(body))).Replace("@BamNoiDung@", Hash(body));
            Keep(Path.GetFileName(file) + ".bien-nhan", GuiHoSo.Sign(filled, ours));
        }
        answer = File.ReadAllBytes(file + ".bien-nhan");
        return 200;
    }

    static void Listen(string port)
    {
        var server = new HttpListener();
        server.Prefixes.Add($"http://127.0.0.1:{port}/");
        server.Start();
        Say($"NGHE {port}");
        while (true)
        {
            var exchange = server.GetContext();
            using (var bytes = new MemoryStream())
            {
                exchange.Request.InputStream.CopyTo(bytes);
                exchange.Response.StatusCode = Receive(exchange.Request.Headers["MaThongDiep"], bytes.ToArray(), out var answer);
                exchange.Response.ContentType = "application/xml";
                exchange.Response.Close(answer, true);
            }
        }
    }
}
