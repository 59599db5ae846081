// Node ≥ 18, xml-crypto: gửi lại khi mất trả lời, kiểm xác nhận tiếp nhận thông điệp, lấy hộp thư, nhận thông điệp được đẩy tới.
// Node ≥ 18, xml-crypto: resend after a lost answer, verify the receipt, read the inbox, take what is pushed.
//   npm install --ignore-scripts
//   node chay-that.mjs http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem gui          truc.pem: chứng thư của trục
//   node chay-that.mjs http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem lay          the gateway's certificate
//   node chay-that.mjs http://127.0.0.1:8080 TOKEN khoa.pem chung-thu.pem truc.pem nhan 8400    cổng nghe / the port
// Sổ là thư mục so/ (bản thật: cơ sở dữ liệu). / The books are the folder so/ (in service: a database).
import { createHash, createPrivateKey, randomInt, randomUUID, sign, verify } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { SignedXml } from "xml-crypto";

const [url, token, keyFile, certificateFile, gatewayFile, verb, port] = process.argv.slice(2);
const [key, certificate, gateway] = [keyFile, certificateFile, gatewayFile].map((file) => readFileSync(file, "utf8"));
const ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const EXC = "http://www.w3.org/2001/10/xml-exc-c14n#";
const SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256";
const METHOD = "http://www.w3.org/2001/04/xmldsig-more#";
const WAITS_S = [0, 1, 4, 9, 16];
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const first = (pattern, text) => new RegExp(pattern, "s").exec(text)?.[1];

// xml-crypto 6 không biết ECDSA; node:crypto thì có. / xml-crypto 6 has no ECDSA; node:crypto has.
class Ecdsa {
  getAlgorithmName = () => METHOD + "ecdsa-sha256";
  getSignature = (info, privateKey) => sign("sha256", Buffer.from(info), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64");
  verifySignature = (info, publicKey, value) =>
    verify("sha256", Buffer.from(info), { key: publicKey, dsaEncoding: "ieee-p1363" }, Buffer.from(value, "base64"));
}

/** Ghi trọn tệp rồi mới đổi tên: không bao giờ có tệp dở dang. / Written whole, then renamed: never half a file. */
function keep(name, content) {
  const file = openSync(`so/${name}.moi`, "w");
  writeSync(file, content);
  fsyncSync(file);
  closeSync(file);
  renameSync(`so/${name}.moi`, `so/${name}`);
}

function stop(why) {
  console.log(why);
  process.exit(1);
}

/** Điền một mẫu. / Fill in a form. */
function fillIn(form, more = {}) {
  const now = new Date(Date.now() + 7 * 3600e3).toISOString().slice(0, 19) + "+07:00";
  const values = {
    MaThongDiep: randomUUID(),
    ThoiDiem: now,
    MaHoSo: `H19.901-${now.slice(2, 10).replaceAll("-", "")}-${String(randomInt(1e7)).padStart(7, "0")}`,
    ...more,
  };
  return readFileSync(new URL(`../${form}`, import.meta.url), "utf8").replace(/@(\w+)@/g, (_, name) => values[name]);
}

/** Chữ ký bao trùm cả phong bì, là phần tử con cuối cùng. / The signature covers the envelope, as its last child. */
function signed(text) {
  const kind = createPrivateKey(key).asymmetricKeyType === "ec" ? "ecdsa" : "rsa";
  const signer = new SignedXml({
    privateKey: key,
    publicCert: certificate,
    signatureAlgorithm: `${METHOD}${kind}-sha256`,
    canonicalizationAlgorithm: EXC,
  });
  signer.SignatureAlgorithms[`${METHOD}ecdsa-sha256`] = Ecdsa;
  signer.addReference({ xpath: "/*", isEmptyUri: true, digestAlgorithm: SHA256, transforms: [ENVELOPED, EXC] });
  signer.computeSignature(text, { prefix: "ds", location: { reference: "/*", action: "append" } });
  return Buffer.from(signer.getSignedXml());
}

/** Do đúng trục ký, về đúng các byte đã gửi; nếu không thì nêu lý do. / Why it is not the gateway's about what was sent; or nothing. */
function doubt(receipt, sent) {
  const text = receipt.toString();
  const signatures = text.match(/<ds:Signature[ >].*<\/ds:Signature>(?=<\/lt:ThongDiep>)/s);
  if (signatures === null) return "không có chữ ký ở cuối / no signature at the end";
  // getCertFromKeyInfo: không dùng chứng thư đi kèm / not the certificate that comes along
  const verifier = new SignedXml({ publicCert: gateway, getCertFromKeyInfo: () => null });
  verifier.SignatureAlgorithms[`${METHOD}ecdsa-sha256`] = Ecdsa;
  try {
    verifier.loadSignature(signatures[0]);
    if (!verifier.checkSignature(text)) return "chữ ký không phải của trục / the signature is not the gateway's";
  } catch (error) {
    return error.message;
  }
  const whole = verifier.getSignedReferences()[0]; // chỉ tin phần đã ký / trust only what is signed
  if (!whole?.startsWith("<lt:ThongDiep")) return "không bao trùm cả thông điệp / it does not cover the whole";
  const ma = first("<(?:\\w+:)?MaThongDiep>([^<]+)", sent);
  if (first("hs:MaThongDiepGoc>([^<]+)", whole) !== ma || first("hs:BamNoiDung>([^<]+)", whole) !== sha256(sent))
    return "về thông điệp khác / about another message";
}

/** Một lượt gọi; trạng thái 0 khi không có trả lời. / One call; status 0 where no answer came. */
async function call(path, accept, body) {
  try {
    const answer = await fetch(url + path, {
      ...(body ? { method: "POST", body } : {}),
      headers: { Authorization: `Bearer ${token}`, Accept: accept, ...(body ? { "Content-Type": "application/xml" } : {}) },
      signal: AbortSignal.timeout(60_000),
    });
    return [answer.status, Buffer.from(await answer.arrayBuffer())];
  } catch {
    return [0, ""];
  }
}

/** Ghi trước, gửi sau; chưa có trả lời thì gửi lại đúng các byte ấy. / Store, then send; no answer: the same bytes again. */
async function send() {
  const owed = () => readdirSync("so").filter((name) => /^gui-.*\.xml$/.test(name) && !existsSync(`so/${name}.tra-loi`));
  if (!owed().length) {
    const message = signed(fillIn("ho-so.xml"));
    keep(`gui-${sha256(message)}.xml`, message);
  }
  for (const name of owed()) {
    const message = readFileSync(`so/${name}`);
    const [status, answer] = await handedIn(message);
    const why = status < 300 ? doubt(answer, message) : undefined;
    if (why) stop(`KHONG TIN ${why}`);
    keep(`${name}.tra-loi`, answer);
    if (status >= 300) stop(`TU CHOI ${status} ${answer}`); // đọc mã lỗi, sửa, ký lại / read why, mend, sign again
    const said = [first("KetQua>([A-Z_]+)", answer), status, first("MaThongDiepGoc>([^<]+)", answer)];
    console.log("BIEN NHAN", ...said); // 200: trục đã có từ trước / it had it already
  }
}

async function handedIn(message) {
  for (const wait of WAITS_S) {
    await sleep(wait * 1000);
    const [status, answer] = await call("/v1/messages", "application/xml", message);
    if (![0, 202, 429, 503].includes(status)) return [status, answer];
    console.log("GUI LAI", status);
  }
  stop("CHUA BIET: gửi lại sau đúng các byte ấy / not known: the same bytes later");
}

/** Xử lý xong mới ghi vị trí; bị ngắt giữa chừng thì nhận ra theo MaThongDiep. / The position after the work; repeats by their id. */
async function pull() {
  for (;;) {
    let [generation, after] = existsSync("so/vi-tri") ? readFileSync("so/vi-tri", "utf8").split(" ").map(Number) : [1, 0];
    const [status, said] = await call(`/v1/inbox?after=${after}&generation=${generation}&wait=20`, "application/json");
    const back = /SYS-144.*after=(\d+).*generation=(\d+)/s.exec(said);
    if (status === 409 && back) {
      keep("vi-tri", `${back[2]} ${back[1]}`); // trục được khôi phục / the gateway was restored
      console.log("HOI LAI TU", back[1], back[2]);
      continue;
    }
    if ([0, 429, 503].includes(status)) {
      console.log("MAT KET NOI");
      await sleep(1000);
      continue;
    }
    if (status !== 200) stop(`DUNG ${status} ${said}`); // SYS-143: một người phải xem / a person must look
    const page = JSON.parse(said);
    for (const entry of page.DanhSachMuc) {
      if (entry.ViTri !== after + 1) {
        console.log("THIEU", after + 1); // không bao giờ bỏ qua một số / never past a number that is missing
        await sleep(1000);
        break;
      }
      const [found, original] = await call(entry.DuongDan, "application/xml");
      if (found !== 200) break;
      if (sha256(original) !== entry.BamNoiDung) stop("nội dung không khớp băm / the content does not fit its hash");
      const name = `nhan-${entry.MaThongDiep}.xml`;
      const known = existsSync(`so/${name}`);
      if (!known) keep(name, original);
      keep("vi-tri", `${page.DauNhatKy.TheHe ?? 1} ${++after}`);
      console.log(known ? "DA CO" : "HOP THU", after, entry.LoaiThongDiep);
    }
  }
}

/** Ghi, ký, rồi mới trả 200; lặp lại thì trả đúng bản cũ. / Store, sign, then 200; a repeat gets the first. */
function receive(ma, body) {
  if (!/^[0-9a-f-]{36}$/.test(ma)) return [422, "<Loi>MA_THONG_DIEP</Loi>"];
  const name = `nhan-${ma}.xml`; // bản thật: kiểm chữ ký và kiểm ai gọi / in service: verify the signature, and who calls
  console.log(existsSync(`so/${name}`) ? "LAP LAI" : "NHAN", ma);
  if (!existsSync(`so/${name}`)) keep(name, body);
  if (!readFileSync(`so/${name}`).equals(body)) return [422, "<Loi>XUNG_DOT_MA_THONG_DIEP</Loi>"];
  if (!existsSync(`so/${name}.bien-nhan`)) {
    const ours = first("NoiNhan>.*?MaDinhDanh>([^<]+)", body);
    const filled = fillIn("bien-nhan.xml", { MaThongDiepGoc: ma, NoiGui: ours, BamNoiDung: sha256(body) });
    keep(`${name}.bien-nhan`, signed(filled));
  }
  return [200, readFileSync(`so/${name}.bien-nhan`)];
}

function listen() {
  const server = createServer(async (request, response) => {
    const [status, said] = receive(request.headers.mathongdiep, Buffer.concat(await request.toArray()));
    response.writeHead(status, { "Content-Type": "application/xml" }).end(said);
  });
  server.listen(Number(port), "127.0.0.1", () => console.log("NGHE", server.address().port));
}

mkdirSync("so", { recursive: true });
if (verb === "gui") await send();
else if (verb === "lay") await pull();
else listen();
