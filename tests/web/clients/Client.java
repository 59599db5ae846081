// A Java agency: what JAX-WS makes of the WSDL alone. Arguments: URL, token, message file, dossier code.
// Every operation, good and faulty, by SOAP 1.1 and 1.2, inline and by MTOM; one line of "name value" each.
// Further arguments are walls, "name url token": what is thrown there is told as it would stand in a log.
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.activation.DataHandler;
import javax.activation.FileDataSource;
import javax.xml.ws.BindingProvider;
import javax.xml.ws.WebServiceException;
import javax.xml.ws.WebServiceFeature;
import javax.xml.ws.handler.MessageContext;
import javax.xml.ws.soap.MTOMFeature;
import truc.*;

public class Client {
    public static void main(String[] arguments) throws Exception {
        byte[] message = Files.readAllBytes(Paths.get(arguments[2]));
        String code = arguments[3];
        TrucLienThong service = new TrucLienThong(new URL(arguments[0] + "?wsdl"));
        for (String way : Arrays.asList("11", "12", "11-mtom", "12-mtom")) {
            WebServiceFeature[] mtom = way.endsWith("mtom")
                ? new WebServiceFeature[] {new MTOMFeature(true, 10)} : new WebServiceFeature[0];
            TrucLienThongPortType port = way.startsWith("11")
                ? service.getTrucLienThongSoap11(mtom) : service.getTrucLienThongSoap12(mtom);
            Map<String, Object> context = ((BindingProvider) port).getRequestContext();
            context.put(BindingProvider.ENDPOINT_ADDRESS_PROPERTY, arguments[0]);
            context.put(MessageContext.HTTP_REQUEST_HEADERS, bearer(arguments[1]));

            KetQuaGuiThongDiepStructure sent = port.guiThongDiep(message);
            told(way, "sent", sent.getKetQua().value());
            StringBuilder digest = new StringBuilder();
            for (byte b : MessageDigest.getInstance("SHA-256").digest(sent.getBienNhan())) digest.append(String.format("%02x", b));
            told(way, "receipt", digest);
            Path file = Paths.get(arguments[2]).resolveSibling("tep-" + way);
            Files.write(file, Arrays.copyOf(("%PDF-1.7 " + way).getBytes(), 300_000));
            KetQuaGuiTepStructure kept = port.guiTep(new DataHandler(new FileDataSource(file.toFile())), null);
            told(way, "file", kept.getSoByte() + " " + kept.getLoaiTep());
            KetQuaKiemTraStructure checked = port.kiemTraThongDiep("<a/>".getBytes());
            told(way, "checked", checked.getDanhSachLoi().getLoi().get(0).getMaChiTiet());
            told(way, "newest", port.layCapNhat(0L, null, null).getMoiNhat());
            told(way, "original", Arrays.equals(message, port.layThongDiep(sent.getSoTiepNhan()).getNoiDung()));
            told(way, "dossier", port.traCuuHoSo(code).getMaHoSo().equals(code));
            told(way, "fate", port.trangThaiThongDiep(sent.getMaThongDiep()).getKetQua().value());

            GoiCapNhatTienDoHoSoMCStructure step = new GoiCapNhatTienDoHoSoMCStructure();
            step.setMaHoSo(code);
            step.setNguoiXuLy("A");
            step.setThoiDiemXuLy("20260116080000");
            step.setTrangThai("4");
            told(way, "packet", first(port.capNhatTienDoHoSoMC(Collections.singletonList(step))));
            GoiDongBoHoSoMCStructure whole = new GoiDongBoHoSoMCStructure();
            whole.setMaHoSo(code);
            whole.setMaTTHC("1");
            whole.setTenTTHC("x");
            whole.setMaLinhVuc("x");
            whole.setTenLinhVuc("x");
            whole.setLoaiDoiTuong("1");
            whole.setNgayTiepNhan("x");
            whole.setTrangThaiHoSo("2");
            whole.setHinhThuc("0");
            whole.setDonViXuLy("x");
            told(way, "sync", first(port.dongBoHoSoMC(Collections.singletonList(whole))));

            try {
                port.guiThongDiep("<a/>".getBytes());
            } catch (LoiXuLy fault) {
                told(way, "fault", fault.getFaultInfo().getDanhSachLoi().getLoi().get(0).getMaChiTiet());
            }
            try {
                port.trangThaiThongDiep("khong-co");
            } catch (LoiXuLy fault) {
                told(way, "absent", fault.getFaultInfo().getDanhSachLoi().getLoi().get(0).getMa());
            }
            for (String wall : Arrays.asList(arguments).subList(4, arguments.length)) {
                String[] there = wall.split(" ");
                context.put(BindingProvider.ENDPOINT_ADDRESS_PROPERTY, there[1]);
                context.put(MessageContext.HTTP_REQUEST_HEADERS, bearer(there[2]));
                try {
                    port.guiThongDiep(message);
                } catch (LoiXuLy | WebServiceException thrown) {
                    told(way, there[0], thrown.getMessage().replace('\n', ' '));
                }
            }
        }
    }

    static Map<String, List<String>> bearer(String token) {
        return new HashMap<>(Collections.singletonMap("Authorization", Collections.singletonList("Bearer " + token)));
    }

    static String first(KetQuaNopGoiStructure answer) {
        return answer.getDanhSachKetQuaGoi().getKetQuaGoi().get(0).getDanhSachLoi().getLoi().get(0).getMaChiTiet();
    }

    static void told(String way, String name, Object value) {
        System.out.println(way + "." + name + " " + value);
    }
}
