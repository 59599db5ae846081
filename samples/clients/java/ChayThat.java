// Java ≥ 17, chỉ JDK: gửi lại khi mất trả lời, kiểm xác nhận tiếp nhận thông điệp, lấy hộp thư, nhận thông điệp được đẩy tới.
// Java ≥ 17, nothing but the JDK: resend after a lost answer, verify the receipt, read the inbox, take what is pushed.
//   javac *.java
//   java ChayThat http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem gui          truc.pem: chứng thư của trục
//   java ChayThat http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem lay          the gateway's certificate
//   java ChayThat http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem nhan 8400    cổng nghe / the port
// Sổ là thư mục so/ (bản thật: cơ sở dữ liệu); mẫu ở .. (hay -Dmau=). / The books are the folder so/ (in service: a database).
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.xml.crypto.KeySelector;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureException;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

public class ChayThat {
    static final Path BOOKS = Path.of("so"), FORMS = Path.of(System.getProperty("mau", ".."));
    static final int[] WAITS_S = {0, 1, 4, 9, 16};
    static final Set<Integer> NOT_KNOWN = Set.of(0, 202, 429, 503);
    static String keyFile, certificateFile;

    record Answer(int status, byte[] body) {
        String text() { return new String(body, StandardCharsets.UTF_8); }
    }

    public static void main(String[] args) throws Exception {
        GuiHoSo.url = args[0];
        GuiHoSo.token = args[1];
        keyFile = args[2];
        certificateFile = args[3];
        Files.createDirectories(BOOKS);
        switch (args[5]) {
            case "gui" -> send(args[4]);
            case "lay" -> pull();
            default -> listen(Integer.parseInt(args[6]));
        }
    }

    /** Ghi trọn tệp rồi mới đổi tên: không bao giờ có tệp dở dang. / Written whole, then renamed: never half a file. */
    static void keep(String name, byte[] content) throws IOException {
        Path half = BOOKS.resolve(name + ".moi");
        try (FileChannel file = FileChannel.open(half, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            file.write(ByteBuffer.wrap(content));
            file.force(true);
        }
        Files.move(half, BOOKS.resolve(name), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    static void stop(String why) {
        System.out.println(why);
        System.exit(1);
    }

    static String sha256(byte[] content) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    }

    static String first(String pattern, String text) {
        Matcher m = Pattern.compile(pattern, Pattern.DOTALL).matcher(text);
        return m.find() ? m.group(1) : "";
    }

    /** Một lượt gọi; trạng thái 0 khi không có trả lời. / One call; status 0 where no answer came. */
    static Answer call(String path, byte[] body) throws InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(GuiHoSo.url + path)).timeout(Duration.ofSeconds(60))
            .header("Authorization", "Bearer " + GuiHoSo.token).header("Accept", "application/xml");
        if (body != null) request.header("Content-Type", "application/xml").POST(HttpRequest.BodyPublishers.ofByteArray(body));
        try {
            var answer = GuiHoSo.HTTP.send(request.build(), BodyHandlers.ofByteArray());
            return new Answer(answer.statusCode(), answer.body());
        } catch (IOException noAnswer) {
            return new Answer(0, new byte[0]);
        }
    }

    /** Do đúng trục ký, về đúng các byte đã gửi; nếu không thì nêu lý do. / Why it is not the gateway's about what was sent; or null. */
    static String doubt(byte[] receipt, byte[] sent, String gatewayFile) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        Document document = factory.newDocumentBuilder().parse(new ByteArrayInputStream(receipt));
        NodeList signatures = document.getElementsByTagNameNS(XMLSignature.XMLNS, "Signature");
        if (signatures.getLength() != 1 || signatures.item(0).getParentNode() != document.getDocumentElement())
            return "chữ ký không ở chỗ của nó / the signature is not where it belongs";
        String pem = Files.readString(Path.of(gatewayFile)).replaceAll("(?s).*?(-----BEGIN CERT)", "$1");
        PublicKey key = CertificateFactory.getInstance("X.509")
            .generateCertificate(new ByteArrayInputStream(pem.getBytes(StandardCharsets.US_ASCII))).getPublicKey();
        // Khóa của trục, không phải chứng thư đi kèm. / The gateway's key, not the certificate that comes along.
        DOMValidateContext context = new DOMValidateContext(KeySelector.singletonKeySelector(key), signatures.item(0));
        NodeList all = document.getElementsByTagName("*");
        for (int i = 0; i < all.getLength(); i++) // XAdES: Reference tới SignedProperties theo Id / by its Id
            if (((Element) all.item(i)).hasAttribute("Id")) context.setIdAttributeNS((Element) all.item(i), null, "Id");
        XMLSignature signature = XMLSignatureFactory.getInstance("DOM").unmarshalXMLSignature(context);
        try {
            if (!signature.validate(context)) return "chữ ký không phải của trục, hoặc nội dung bị thay đổi / not the gateway's, or changed";
        } catch (XMLSignatureException error) { // khóa khác loại / a key of another kind
            return error.getMessage();
        }
        if (signature.getSignedInfo().getReferences().stream().noneMatch(r -> r.getURI().isEmpty()))
            return "chữ ký không bao trùm cả thông điệp / it does not cover the whole";
        String text = new String(receipt, StandardCharsets.UTF_8);
        String ma = first("<(?:\\w+:)?MaThongDiep>([^<]+)", new String(sent, StandardCharsets.UTF_8));
        if (!first("hs:MaThongDiepGoc>([^<]+)", text).equals(ma) || !first("hs:BamNoiDung>([^<]+)", text).equals(sha256(sent)))
            return "về thông điệp khác / about another message";
        return null;
    }

    /** Ghi trước, gửi sau; chưa có trả lời thì gửi lại đúng các byte ấy. / Store, then send; no answer: the same bytes again. */
    static void send(String gatewayFile) throws Exception {
        if (owed().isEmpty()) {
            byte[] signed = GuiHoSo.sign(GuiHoSo.fillIn(FORMS.resolve("ho-so.xml")), keyFile, certificateFile);
            keep("gui-" + sha256(signed) + ".xml", signed);
        }
        for (Path file : owed()) {
            byte[] signed = Files.readAllBytes(file);
            Answer answer = handedIn(signed);
            String why = answer.status < 300 ? doubt(answer.body, signed, gatewayFile) : null;
            if (why != null) stop("KHONG TIN " + why);
            keep(file.getFileName() + ".tra-loi", answer.body);
            if (answer.status >= 300) stop("TU CHOI " + answer.status + " " + answer.text()); // sửa, ký lại / mend, sign again
            System.out.println("BIEN NHAN " + first("hs:KetQua>([A-Z_]+)", answer.text()) + " " + answer.status // 200: có từ trước
                + " " + first("hs:MaThongDiepGoc>([^<]+)", answer.text())); // 200: it had it already
        }
    }

    static List<Path> owed() throws IOException {
        try (var files = Files.list(BOOKS)) {
            return files.filter(f -> f.getFileName().toString().matches("gui-.*\\.xml") && !Files.exists(Path.of(f + ".tra-loi"))).toList();
        }
    }

    static Answer handedIn(byte[] signed) throws Exception {
        for (int wait : WAITS_S) {
            Thread.sleep(wait * 1000L);
            Answer answer = call("/v1/messages", signed);
            if (!NOT_KNOWN.contains(answer.status)) return answer;
            System.out.println("GUI LAI " + answer.status);
        }
        stop("CHUA BIET: gửi lại sau đúng các byte ấy / not known: the same bytes later");
        return null;
    }

    /** Xử lý xong mới ghi vị trí; bị ngắt giữa chừng thì nhận ra theo MaThongDiep. / The position after the work; repeats by their id. */
    static void pull() throws Exception {
        while (true) {
            Path stored = BOOKS.resolve("vi-tri");
            String[] both = (Files.exists(stored) ? Files.readString(stored) : "1 0").split(" ");
            Answer page = call("/v1/inbox?after=" + both[1] + "&generation=" + both[0] + "&wait=20", null);
            Matcher back = Pattern.compile("SYS-144.*?after=(\\d+).*?generation=(\\d+)", Pattern.DOTALL).matcher(page.text());
            if (page.status == 409 && back.find()) { // trục được khôi phục / the gateway was restored
                keep("vi-tri", (back.group(2) + " " + back.group(1)).getBytes());
                System.out.println("HOI LAI TU " + back.group(1) + " " + back.group(2));
            } else if (NOT_KNOWN.contains(page.status)) {
                System.out.println("MAT KET NOI");
                Thread.sleep(1000);
            } else if (page.status != 200) { // SYS-143: vị trí của trục khác; một người phải xem / a person must look
                stop("DUNG " + page.status + " " + page.text());
            } else {
                take(page.text(), Long.parseLong(both[1]));
            }
        }
    }

    static void take(String page, long after) throws Exception {
        String generation = page.contains("<TheHe>") ? first("<TheHe>(\\d+)", page) : "1";
        for (String entry : Arrays.stream(page.split("</Muc>")).filter(part -> part.contains("<ViTri>")).toList()) {
            if (!first("<ViTri>(\\d+)", entry).equals("" + (after + 1))) {
                System.out.println("THIEU " + (after + 1)); // không bao giờ bỏ qua một số / never past a number that is missing
                Thread.sleep(1000);
                return;
            }
            Answer original = call(first("<DuongDan>([^<]+)", entry), null);
            if (original.status != 200) return;
            if (!sha256(original.body).equals(first("<BamNoiDung>([^<]+)", entry)))
                stop("nội dung không khớp băm / the content does not fit its hash");
            String name = "nhan-" + first("<MaThongDiep>([^<]+)", entry) + ".xml";
            boolean known = Files.exists(BOOKS.resolve(name));
            if (!known) keep(name, original.body);
            keep("vi-tri", (generation + " " + ++after).getBytes());
            System.out.println((known ? "DA CO " : "HOP THU ") + after + " " + first("<LoaiThongDiep>([^<]+)", entry));
        }
    }

    /** Ghi, ký, rồi mới trả 200; lặp lại thì trả đúng bản cũ. / Store, sign, then 200; a repeat gets the first. */
    static synchronized Answer receive(String ma, byte[] body) throws Exception {
        if (ma == null || !ma.matches("[0-9a-f-]{36}")) return new Answer(422, "<Loi>MA_THONG_DIEP</Loi>".getBytes());
        Path file = BOOKS.resolve("nhan-" + ma + ".xml"), receipt = Path.of(file + ".bien-nhan");
        System.out.println((Files.exists(file) ? "LAP LAI " : "NHAN ") + ma);
        if (!Files.exists(file)) keep(file.getFileName().toString(), body); // bản thật: kiểm chữ ký, kiểm ai gọi / verify, and who calls
        if (!Arrays.equals(Files.readAllBytes(file), body)) return new Answer(422, "<Loi>XUNG_DOT_MA_THONG_DIEP</Loi>".getBytes());
        if (!Files.exists(receipt)) {
            String ours = first("NoiNhan>.*?MaDinhDanh>([^<]+)", new String(body, StandardCharsets.UTF_8));
            String filled = new String(GuiHoSo.fillIn(FORMS.resolve("bien-nhan.xml")), StandardCharsets.UTF_8)
                .replace("@MaThongDiepGoc@", ma).replace("@NoiGui@", ours).replace("@BamNoiDung@", sha256(body));
            keep(receipt.getFileName().toString(), GuiHoSo.sign(filled.getBytes(StandardCharsets.UTF_8), keyFile, certificateFile));
        }
        return new Answer(200, Files.readAllBytes(receipt));
    }

    static void listen(int port) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.createContext("/", exchange -> {
            try (exchange) {
                Answer answer = receive(exchange.getRequestHeaders().getFirst("MaThongDiep"), exchange.getRequestBody().readAllBytes());
                exchange.getResponseHeaders().set("Content-Type", "application/xml");
                exchange.sendResponseHeaders(answer.status, answer.body.length);
                exchange.getResponseBody().write(answer.body);
            } catch (Exception error) {
                throw new IOException(error); // không trả lời: trục sẽ gửi lại / no answer: the gateway sends it again
            }
        });
        server.start();
        System.out.println("NGHE " + server.getAddress().getPort());
    }
}
