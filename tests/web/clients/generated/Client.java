// What openapi-generator's Java client (okhttp-gson) says of every operation. Arguments: see test_generated_clients.py.
import com.google.gson.Gson;
import com.google.gson.JsonParser;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.LocalDate;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.ApiResponse;
import org.openapitools.client.api.*;
import org.openapitools.client.model.*;

public class Client {
    interface Call { void run() throws ApiException; }

    static String url;

    static ApiClient by(String token) {
        ApiClient client = new ApiClient().setBasePath(url);
        if (token != null) client.setBearerToken(token);
        return client;
    }

    static String refused(Call call) {
        try {
            call.run();
        } catch (ApiException thrown) {
            var problems = JsonParser.parseString(thrown.getResponseBody()).getAsJsonObject().getAsJsonArray("problems");
            return thrown.getCode() + " " + problems.get(0).getAsJsonObject().get("code").getAsString();
        }
        return "not refused";
    }

    static String header(ApiResponse<?> answer, String name) {
        return answer.getHeaders().get(name).get(0);
    }

    public static void main(String[] a) throws Exception {
        url = a[0];
        String portal = a[1], agency = a[2], operator = a[3], code = a[5];
        File message = new File(a[4]);
        Map<String, Object> good = new TreeMap<>(), no = new TreeMap<>();
        MessagesApi messages = new MessagesApi(by(portal));
        KetQuaGuiThongDiep sent = messages.guiThongDiep(message, null);
        good.put("guiThongDiep", sent.getKetQua().getValue());
        good.put("kiemTraThongDiep", messages.kiemTraThongDiep(message, null).getLapLai());
        good.put("trangThaiThongDiep", messages.trangThaiThongDiep(sent.getSoTiepNhan(), null).getDanhSachHopThu().get(0).getViTri());
        byte[] original = Files.readAllBytes(messages.layThongDiep(sent.getMaThongDiep(), null).toPath());
        good.put("layThongDiep", Arrays.equals(original, Files.readAllBytes(message.toPath())));
        byte[] receipt = Files.readAllBytes(messages.layBienNhan(sent.getSoTiepNhan(), null).toPath());
        good.put("layBienNhan", HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(receipt)));
        TrangCapNhat page = new InboxApi(by(agency)).layCapNhat(0, null, null, null, null);
        good.put("layCapNhat", page.getDanhSachMuc().get(0).getMaThongDiep().equals(sent.getMaThongDiep()));
        DossiersApi dossiers = new DossiersApi(by(portal));
        good.put("traCuuHoSo", dossiers.traCuuHoSo(code, null).getDanhSachSuKien().get(0).getLoaiThongDiep());
        LocalDate since = LocalDate.of(2026, 1, 1), until = LocalDate.of(2026, 2, 1);
        good.put("baoCao", new DossiersApi(by(agency)).baoCao(since, until, null).getDanhSachDong() != null);
        CapNhatTienDoHoSoMC packet = new CapNhatTienDoHoSoMC().maHoSo(code).nguoiXuLy("A").thoiDiemXuLy("20260116080000").trangThai("4");
        Map<String, Object> bare = Map.of("MaHoSo", code, "NguoiXuLy", "A", "ThoiDiemXuLy", "20260116080000", "TrangThai", "4");
        NhieuGoi many = new NhieuGoi().danhSachGoi(List.of(new GoiCoKhoa().goi(bare)));
        SubmissionsApi submissions = new SubmissionsApi(by(portal));
        KetQuaNopGoi rows = submissions.nopGoi("CapNhatTienDoHoSoMC", new NopGoiRequest(many), null, null).getKetQuaNopGoi();
        good.put("nopGoi", rows.getDanhSachKetQuaGoi().get(0).getDanhSachLoi().get(0).getMaChiTiet());
        NodeApi node = new NodeApi(by(operator));
        good.put("healthz", node.healthz().getStatus());
        good.put("readyz", node.readyz().getStatus());
        good.put("metrics", node.metrics().contains("lienthong_http_requests"));
        DvcqgApi dvcqg = new DvcqgApi(by(null));
        LoiGoiDvcqg call = new LoiGoiDvcqg().username(a[6]).password(a[7]);
        good.put("goiDvcqg", dvcqg.goiDvcqg(call).getErrorCode().getValue());
        good.put("goiDvcqgTheoDuongDan", dvcqg.goiDvcqgTheoDuongDan("mapi", "g", call).getErrorCode().getValue());

        File tep = Files.writeString(Path.of(a[4] + ".tep"), "%PDF-1.7 generated").toFile();
        byte[] bytes = Files.readAllBytes(tep.toPath());
        String digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        FilesApi files = new FilesApi(by(portal));
        good.put("guiTep", files.guiTep(null, null, null, tep).getBamSHA256().equals(digest));
        good.put("layTep", Arrays.equals(Files.readAllBytes(files.layTep(digest, null, null).toPath()), bytes));
        String place = header(files.guiTepWithHttpInfo(null, bytes.length, null, null), "location"); // in parts: tus
        String begun = place.substring(place.lastIndexOf('/') + 1);
        good.put("hoiViTri", header(files.hoiViTriWithHttpInfo(begun, null), "upload-offset"));
        good.put("guiTiep", header(files.guiTiepWithHttpInfo(begun, 0, tep, null), "location").endsWith(digest));

        no.put("guiTep", refused(() -> files.guiTep("sha-256=:" + "A".repeat(43) + "=:", null, null, tep)));
        no.put("layTep", refused(() -> files.layTep("0".repeat(64), null, null)));
        no.put("guiTiep", refused(() -> files.guiTiep("khong-co", 0, tep, null)));
        File wrong = Files.writeString(Path.of(a[4] + ".sai"), "<a/>").toFile();
        no.put("guiThongDiep", refused(() -> messages.guiThongDiep(wrong, null)));
        no.put("kiemTraThongDiep", refused(() -> messages.kiemTraThongDiep(wrong, null)));
        no.put("trangThaiThongDiep", refused(() -> messages.trangThaiThongDiep("khong-co", null)));
        no.put("layThongDiep", refused(() -> messages.layThongDiep("khong-co", null)));
        no.put("layBienNhan", refused(() -> messages.layBienNhan("khong-co", null)));
        no.put("layCapNhat", refused(() -> new InboxApi(by("sai".repeat(10))).layCapNhat(null, null, null, null, null)));
        no.put("traCuuHoSo", refused(() -> dossiers.traCuuHoSo("H19.901-260115-9999", null)));
        no.put("baoCao", refused(() -> dossiers.baoCao(since, until, null)));
        no.put("nopGoi", refused(() -> submissions.nopGoi("CapNhatTienDoHoSoMC", new NopGoiRequest(packet), null, null)));
        no.put("metrics", refused(() -> new NodeApi(by(portal)).metrics()));
        no.put("goiDvcqg", dvcqg.goiDvcqg(new LoiGoiDvcqg().username(a[6]).password("sai")).getErrorCode().getValue());
        System.out.println(new Gson().toJson(Map.of("good", good, "refused", no)));
    }
}
