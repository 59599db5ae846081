// Java ≥ 17, chỉ JDK: ký một hồ sơ, gửi bằng REST rồi bằng SOAP, lấy hộp thư của mình, xác nhận.
// Java ≥ 17, nothing but the JDK: sign a dossier, submit it by REST and by SOAP, pull the inbox, acknowledge.
//   java GuiHoSo.java http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.xml.crypto.dsig.CanonicalizationMethod;
import javax.xml.crypto.dsig.DigestMethod;
import javax.xml.crypto.dsig.Transform;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMSignContext;
import javax.xml.crypto.dsig.spec.C14NMethodParameterSpec;
import javax.xml.crypto.dsig.spec.TransformParameterSpec;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.Document;

public class GuiHoSo {
    static final String DV = "http://www.dongnai.gov.vn/lienthong/dichvu/1.0";
    static final HttpClient HTTP = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    static String url, token;

    public static void main(String[] args) throws Exception {
        url = args[0];
        token = args[1];
        byte[] signed = sign(fillIn(args.length > 4 ? Path.of(args[4]) : Path.of("ho-so.xml")), args[2], args[3]);

        // 2. REST: 201 và xác nhận tiếp nhận thông điệp có chữ ký. / 201 and a signed receipt.
        HttpResponse<byte[]> rest = call("/v1/messages", "application/xml", signed, "Content-Type", "application/xml");
        byte[] receipt = rest.body();
        System.out.println("REST " + rest.statusCode() + " " + first("KetQua>([A-Z_]+)", receipt));

        // 3. SOAP: đúng các byte đó, nên đúng xác nhận tiếp nhận thông điệp đó. / The same bytes, so the same receipt.
        String soap = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><GuiThongDiep xmlns=\"" + DV
            + "\"><NoiDung>" + Base64.getEncoder().encodeToString(signed) + "</NoiDung></GuiThongDiep></s:Body></s:Envelope>";
        byte[] answer = call("/soap", "text/xml", soap.getBytes("UTF-8"), "Content-Type", "text/xml; charset=utf-8",
            "SOAPAction", "\"" + DV + "/GuiThongDiep\"").body();
        if (Arrays.equals(Base64.getDecoder().decode(first("<BienNhan>([^<]+)", answer)), receipt))
            System.out.println("SOAP cùng xác nhận tiếp nhận thông điệp / same receipt");

        // 4. Hộp thư: hỏi sau vị trí N là xác nhận đã nhận tới N. / Asking after N acknowledges up to N.
        String after = "0";
        for (boolean more = true; more; ) {
            more = false;
            String page = new String(call("/v1/inbox?after=" + after + "&limit=100", "application/xml", null).body(), "UTF-8");
            Matcher m = Pattern.compile("<ViTri>(\\d+)<.*?<LoaiThongDiep>(HS\\d+)<.*?<DuongDan>([^<]+)<").matcher(page);
            while (m.find()) {
                int length = call(m.group(3), "application/xml", null).body().length;
                System.out.println("HOP THU " + m.group(1) + " " + m.group(2) + " " + length + " byte");
                after = m.group(1);
                more = true;
            }
        }
        System.out.println("XAC NHAN " + after);
    }

    /** 1. Điền mẫu. / Fill in the form. */
    static byte[] fillIn(Path form) throws Exception {
        ZonedDateTime now = ZonedDateTime.now(ZoneOffset.ofHours(7));
        String number = String.format("%07d", new SecureRandom().nextInt(10_000_000));
        return Files.readString(form).replace("@MaThongDiep@", UUID.randomUUID().toString())
            .replace("@ThoiDiem@", now.format(DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ssXXX")))
            .replace("@MaHoSo@", "H19.901-" + now.format(DateTimeFormatter.ofPattern("yyMMdd")) + "-" + number)
            .getBytes("UTF-8");
    }

    /** Chữ ký bao trùm cả phong bì, là phần tử con cuối cùng. / The signature covers the envelope, as its last child. */
    static byte[] sign(byte[] body, String keyFile, String certificateFile) throws Exception {
        String pem = Files.readString(Path.of(keyFile)).replaceAll("(?s).*-----BEGIN PRIVATE KEY-----|-----END.*|\\s", "");
        PKCS8EncodedKeySpec spec = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem));
        PrivateKey key;
        try {
            key = KeyFactory.getInstance("RSA").generatePrivate(spec);
        } catch (java.security.spec.InvalidKeySpecException notRsa) {
            key = KeyFactory.getInstance("EC").generatePrivate(spec);
        }
        String certificatePem = Files.readString(Path.of(certificateFile)).replaceAll("(?s).*?(-----BEGIN CERT)", "$1");
        var certificate = CertificateFactory.getInstance("X.509")
            .generateCertificate(new ByteArrayInputStream(certificatePem.getBytes("US-ASCII")));
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        Document document = factory.newDocumentBuilder().parse(new ByteArrayInputStream(body));
        XMLSignatureFactory f = XMLSignatureFactory.getInstance("DOM");
        String method = "http://www.w3.org/2001/04/xmldsig-more#" + (key.getAlgorithm().equals("RSA") ? "rsa" : "ecdsa") + "-sha256";
        var reference = f.newReference("", f.newDigestMethod(DigestMethod.SHA256, null), List.of(
            f.newTransform(Transform.ENVELOPED, (TransformParameterSpec) null),
            f.newTransform(CanonicalizationMethod.EXCLUSIVE, (TransformParameterSpec) null)), null, null);
        var info = f.newSignedInfo(f.newCanonicalizationMethod(CanonicalizationMethod.EXCLUSIVE,
            (C14NMethodParameterSpec) null), f.newSignatureMethod(method, null), List.of(reference));
        var k = f.getKeyInfoFactory();
        var keyInfo = k.newKeyInfo(List.of(k.newX509Data(List.of(certificate))));
        DOMSignContext context = new DOMSignContext(key, document.getDocumentElement());
        context.setDefaultNamespacePrefix("ds");
        f.newXMLSignature(info, keyInfo).sign(context);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        TransformerFactory.newInstance().newTransformer().transform(new DOMSource(document), new StreamResult(out));
        return out.toByteArray();
    }

    /** Một lượt gọi. / One call. */
    static HttpResponse<byte[]> call(String path, String accept, byte[] body, String... headers) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + path)).timeout(Duration.ofSeconds(60))
            .header("Authorization", "Bearer " + token).header("Accept", accept);
        if (body != null) request.POST(HttpRequest.BodyPublishers.ofByteArray(body)).headers(headers);
        HttpResponse<byte[]> answer = HTTP.send(request.build(), BodyHandlers.ofByteArray());
        if (answer.statusCode() >= 300) throw new IllegalStateException(answer.statusCode() + " " + new String(answer.body(), "UTF-8"));
        return answer;
    }

    static String first(String pattern, byte[] text) throws Exception {
        Matcher m = Pattern.compile(pattern).matcher(new String(text, "UTF-8"));
        if (!m.find()) throw new IllegalStateException(pattern);
        return m.group(1);
    }
}
