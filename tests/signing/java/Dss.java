// Signs with EU DSS as its users do. Arguments: PKCS#12 file, its password, document, then OUT WAY HASH for each signature;
// WAY: default (what DSS does by itself) or lines (with those that the remedy of SIG-024 names); HASH: - for DSS's own choice.
import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.enumerations.SignaturePackaging;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.token.Pkcs12SignatureToken;
import eu.europa.esig.dss.xades.XAdESSignatureParameters;
import eu.europa.esig.dss.xades.reference.CanonicalizationTransform;
import eu.europa.esig.dss.xades.reference.DSSReference;
import eu.europa.esig.dss.xades.reference.EnvelopedSignatureTransform;
import eu.europa.esig.dss.xades.signature.XAdESService;
import java.security.KeyStore.PasswordProtection;
import java.util.List;
import javax.xml.crypto.dsig.CanonicalizationMethod;

public class Dss {
    public static void main(String[] a) throws Exception {
        DSSDocument document = new FileDocument(a[2]);
        try (var token = new Pkcs12SignatureToken(a[0], new PasswordProtection(a[1].toCharArray()))) {
            var key = token.getKeys().get(0);
            for (int i = 3; i + 2 < a.length; i += 3) {
                var parameters = new XAdESSignatureParameters();
                parameters.setSignatureLevel(SignatureLevel.XAdES_BASELINE_B);
                parameters.setSignaturePackaging(SignaturePackaging.ENVELOPED);
                if (!a[i + 2].equals("-")) parameters.setDigestAlgorithm(DigestAlgorithm.forName(a[i + 2]));
                parameters.setSigningCertificate(key.getCertificate());
                if (a[i + 1].equals("lines")) {
                    DSSReference reference = new DSSReference();
                    reference.setContents(document);
                    reference.setUri("");
                    reference.setTransforms(List.of(new EnvelopedSignatureTransform(), new CanonicalizationTransform(CanonicalizationMethod.EXCLUSIVE)));
                    parameters.setReferences(List.of(reference));
                }
                XAdESService service = new XAdESService(new CommonCertificateVerifier());
                var value = token.sign(service.getDataToSign(document, parameters), parameters.getDigestAlgorithm(), key);
                service.signDocument(document, parameters, value).save(a[i]);
            }
        }
    }
}
