// Signs with xml-crypto as a Node system would, one job a line on standard input:
// IN OUT KEY_PEM CERTIFICATE_PEM METHOD DIGEST C14N REFERENCE(whole|id) PREFIX(-|name)
const fs = require("fs");
const { SignedXml } = require("xml-crypto");

for (const line of fs.readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const [input, output, key, certificate, method, digest, c14n, reference, prefix] = line.split("\t");
  try {
    const signer = new SignedXml({
      privateKey: fs.readFileSync(key),
      publicCert: fs.readFileSync(certificate),
      signatureAlgorithm: method,
      canonicalizationAlgorithm: c14n,
    });
    signer.addReference({
      xpath: "/*",
      isEmptyUri: reference === "whole",
      digestAlgorithm: digest,
      transforms: ["http://www.w3.org/2000/09/xmldsig#enveloped-signature", c14n],
    });
    const options = { location: { reference: "/*", action: "append" } };
    if (prefix !== "-") options.prefix = prefix;
    signer.computeSignature(fs.readFileSync(input, "utf8"), options);
    fs.writeFileSync(output, signer.getSignedXml());
    console.log("ok");
  } catch (error) {
    console.log("error " + String(error.message).split("\n")[0]);
  }
}
