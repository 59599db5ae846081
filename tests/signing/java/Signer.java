import java.io.ByteArrayInputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.xml.crypto.dom.DOMStructure;
import javax.xml.crypto.dsig.*;
import javax.xml.crypto.dsig.dom.DOMSignContext;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.crypto.dsig.keyinfo.*;
import javax.xml.crypto.dsig.spec.*;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/**
 * Signs and verifies with javax.xml.crypto as an agency's system would, one job a line on standard input:
 *
 * sign  IN OUT KEYSTORE METHOD DIGEST C14N REFERENCE(whole|id) TRANSFORM(named|implied) PREFIX(-|name) FORM(dsig|xades|xades-3) EXTRA
 * check IN
 *
 * Answers "ok", "valid", "invalid" or "error CLASS: MESSAGE", one a line.
 */
public class Signer {
    static final String XADES = "http://uri.etsi.org/01903/v1.3.2#";
    static final char[] PASSWORD = "test-only".toCharArray();
    static final Map<String, KeyStore> STORES = new HashMap<>();
    static final XMLSignatureFactory FACTORY = XMLSignatureFactory.getInstance("DOM");

    public static void main(String[] args) throws Exception {
        var in = new java.io.BufferedReader(new java.io.InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] job = line.split("\t");
            try {
                if (job[0].equals("sign")) {
                    sign(job);
                    System.out.println("ok");
                } else {
                    System.out.println(check(Path.of(job[1])) ? "valid" : "invalid");
                }
            } catch (Exception e) {
                System.out.println("error " + e.getClass().getSimpleName() + ": " + String.valueOf(e.getMessage()).replace('\n', ' '));
            }
            System.out.flush();
        }
    }

    static Document parse(byte[] body) throws Exception {
        var factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        return factory.newDocumentBuilder().parse(new ByteArrayInputStream(body));
    }

    static KeyStore store(String path) throws Exception {
        KeyStore store = STORES.get(path);
        if (store == null) {
            store = KeyStore.getInstance("PKCS12");
            try (var in = Files.newInputStream(Path.of(path))) {
                store.load(in, PASSWORD);
            }
            STORES.put(path, store);
        }
        return store;
    }

    static void sign(String[] job) throws Exception {
        Document document = parse(Files.readAllBytes(Path.of(job[1])));
        Element root = document.getDocumentElement();
        KeyStore store = store(job[3]);
        String alias = store.aliases().nextElement();
        PrivateKey key = (PrivateKey) store.getKey(alias, PASSWORD);
        X509Certificate certificate = (X509Certificate) store.getCertificate(alias);
        String method = job[4], digest = job[5], c14n = job[6], prefix = job[9], form = job[10], extra = job[11];

        var transforms = new ArrayList<Transform>();
        transforms.add(FACTORY.newTransform(Transform.ENVELOPED, (TransformParameterSpec) null));
        if (job[8].equals("named")) {
            transforms.add(FACTORY.newTransform(c14n, (TransformParameterSpec) null));
        }
        String uri = "";
        if (job[7].equals("id")) {
            root.setAttribute("Id", "thong-diep-1");
            root.setIdAttribute("Id", true);
            uri = "#thong-diep-1";
        }
        var references = new ArrayList<Reference>();
        DigestMethod digestMethod = FACTORY.newDigestMethod(digest, null);
        boolean xades = form.startsWith("xades");
        references.add(FACTORY.newReference(uri, digestMethod, transforms, null, xades ? "thong-diep-ref" : null));

        KeyInfoFactory keys = FACTORY.getKeyInfoFactory();
        var x509 = new ArrayList<Object>();
        if (extra.contains("names")) {
            x509.add(certificate.getSubjectX500Principal().getName());
            x509.add(keys.newX509IssuerSerial(certificate.getIssuerX500Principal().getName(), certificate.getSerialNumber()));
        }
        x509.add(certificate);
        var info = new ArrayList<javax.xml.crypto.XMLStructure>();
        if (extra.contains("keyvalue")) {
            info.add(keys.newKeyValue(certificate.getPublicKey()));
        }
        info.add(keys.newX509Data(x509));
        if (extra.contains("keyname")) {
            info.add(keys.newKeyName("so-tu-phap"));
        }
        KeyInfo keyInfo = keys.newKeyInfo(info, form.equals("xades-3") ? "key-info-1" : null);

        List<XMLObject> objects = null;
        DOMSignContext context = new DOMSignContext(key, root);
        if (!prefix.equals("-")) {
            context.setDefaultNamespacePrefix(prefix);
        }
        if (xades) {
            Element qualifying = qualifying(document, certificate, digest, extra);
            objects = List.of(FACTORY.newXMLObject(Collections.singletonList(new DOMStructure(qualifying)), null, null, null));
            var plain = List.of(FACTORY.newTransform(c14n, (TransformParameterSpec) null));
            references.add(FACTORY.newReference("#signed-properties-1", digestMethod, job[8].equals("named") ? plain : null,
                "http://uri.etsi.org/01903#SignedProperties", null));
            if (form.equals("xades-3")) {
                references.add(FACTORY.newReference("#key-info-1", digestMethod, plain, null, null));
            }
        }
        SignatureMethodParameterSpec parameters = null;
        if (method.endsWith("#rsa-pss")) {
            String hash = digest.endsWith("sha512") ? "SHA-512" : digest.endsWith("sha384") ? "SHA-384" : "SHA-256";
            int salt = Integer.parseInt(hash.substring(4)) / 8;
            if (!extra.contains("pss-defaults")) {
                parameters = new RSAPSSParameterSpec(new PSSParameterSpec(hash, "MGF1", new MGF1ParameterSpec(hash), salt, 1));
            }
        }
        SignedInfo signedInfo = FACTORY.newSignedInfo(
            FACTORY.newCanonicalizationMethod(c14n, (C14NMethodParameterSpec) null),
            FACTORY.newSignatureMethod(method, parameters), references);
        FACTORY.newXMLSignature(signedInfo, keyInfo, objects, xades ? "chu-ky-1" : null, null).sign(context);

        try (OutputStream out = Files.newOutputStream(Path.of(job[2]))) {
            TransformerFactory.newInstance().newTransformer().transform(new DOMSource(document), new StreamResult(out));
        }
    }

    static Element qualifying(Document document, X509Certificate certificate, String digest, String extra) throws Exception {
        Element qualifying = document.createElementNS(XADES, "xades:QualifyingProperties");
        qualifying.setAttributeNS("http://www.w3.org/2000/xmlns/", "xmlns:xades", XADES);
        qualifying.setAttribute("Target", "#chu-ky-1");
        Element signed = child(qualifying, "xades:SignedProperties");
        signed.setAttribute("Id", "signed-properties-1");
        signed.setIdAttribute("Id", true);
        Element facts = child(signed, "xades:SignedSignatureProperties");
        child(facts, "xades:SigningTime").setTextContent("2026-11-24T10:59:30+07:00");
        boolean old = extra.contains("v1");
        Element cert = child(child(facts, old ? "xades:SigningCertificate" : "xades:SigningCertificateV2"), "xades:Cert");
        Element certDigest = child(cert, "xades:CertDigest");
        String hash = digest.endsWith("sha512") ? "SHA-512" : digest.endsWith("sha384") ? "SHA-384" : "SHA-256";
        Element method = document.createElementNS(XMLSignature.XMLNS, "ds:DigestMethod");
        method.setAttributeNS("http://www.w3.org/2000/xmlns/", "xmlns:ds", XMLSignature.XMLNS);
        method.setAttribute("Algorithm", digest);
        certDigest.appendChild(method);
        Element value = document.createElementNS(XMLSignature.XMLNS, "ds:DigestValue");
        value.setAttributeNS("http://www.w3.org/2000/xmlns/", "xmlns:ds", XMLSignature.XMLNS);
        value.setTextContent(Base64.getEncoder().encodeToString(MessageDigest.getInstance(hash).digest(certificate.getEncoded())));
        certDigest.appendChild(value);
        if (old) {
            Element serial = child(cert, "xades:IssuerSerial");
            Element name = document.createElementNS(XMLSignature.XMLNS, "ds:X509IssuerName");
            name.setAttributeNS("http://www.w3.org/2000/xmlns/", "xmlns:ds", XMLSignature.XMLNS);
            name.setTextContent(certificate.getIssuerX500Principal().getName());
            serial.appendChild(name);
            Element number = document.createElementNS(XMLSignature.XMLNS, "ds:X509SerialNumber");
            number.setAttributeNS("http://www.w3.org/2000/xmlns/", "xmlns:ds", XMLSignature.XMLNS);
            number.setTextContent(certificate.getSerialNumber().toString());
            serial.appendChild(number);
        }
        Element format = child(child(signed, "xades:SignedDataObjectProperties"), "xades:DataObjectFormat");
        format.setAttribute("ObjectReference", "#thong-diep-ref");
        child(format, "xades:MimeType").setTextContent("text/xml");
        return qualifying;
    }

    static Element child(Element parent, String name) {
        Element child = parent.getOwnerDocument().createElementNS(XADES, name);
        parent.appendChild(child);
        return child;
    }

    static boolean check(Path path) throws Exception {
        Document document = parse(Files.readAllBytes(path));
        ids(document.getDocumentElement());
        NodeList found = document.getElementsByTagNameNS(XMLSignature.XMLNS, "Signature");
        if (found.getLength() != 1) {
            return false;
        }
        Element signature = (Element) found.item(0);
        String encoded = signature.getElementsByTagNameNS(XMLSignature.XMLNS, "X509Certificate").item(0).getTextContent();
        var certificates = java.security.cert.CertificateFactory.getInstance("X.509");
        var certificate = certificates.generateCertificate(new ByteArrayInputStream(Base64.getMimeDecoder().decode(encoded)));
        DOMValidateContext context = new DOMValidateContext(certificate.getPublicKey(), signature);
        context.setProperty("org.jcp.xml.dsig.secureValidation", Boolean.TRUE);
        return FACTORY.unmarshalXMLSignature(context).validate(context);
    }

    static void ids(Element element) {
        if (element.hasAttribute("Id")) {
            element.setIdAttribute("Id", true);
        }
        for (var child = element.getFirstChild(); child != null; child = child.getNextSibling()) {
            if (child instanceof Element inner) {
                ids(inner);
            }
        }
    }
}
