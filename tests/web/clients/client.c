/* A C agency: what gSOAP makes of the WSDL alone. Arguments: URL, token, message file, dossier code, SOAP version (1 or 2), walls. */
#include "TrucLienThongSoap11.nsmap"
#include "soapH.h"

#define CALL(operation)                                                                                               \
    (soap->bearer = token, /* gSOAP forgets it after each call */                                                      \
     version == 1 ? soap_call___ns1__##operation(soap, url, NULL, &operation##_in, &operation##_out)                  \
                  : soap_call___ns1__##operation##_(soap, url, NULL, &operation##_in, &operation##_out))
#define OPERATION(operation)                                                                                          \
    struct _ns1__##operation operation##_in;                                                                          \
    struct _ns1__##operation##Response operation##_out;                                                               \
    memset(&operation##_in, 0, sizeof operation##_in)
#define MUST(operation)                                                                                               \
    if (CALL(operation) != SOAP_OK) { soap_print_fault(soap, stderr); return 1; }

static struct xsd__base64Binary binary(char *text, size_t size) {
    struct xsd__base64Binary made = {(unsigned char *)text, (int)size, NULL, NULL, NULL};
    return made;
}

int main(int count, char **arguments) {
    if (count < 6) return 2;
    const char *url = arguments[1], *token = arguments[2];
    char *code = arguments[4], wrong[] = "<a/>";
    int version = atoi(arguments[5]);
    FILE *file = fopen(arguments[3], "rb");
    static char message[1 << 20];
    size_t size = fread(message, 1, sizeof message, file);
    fclose(file);
    struct soap *soap = soap_new1(SOAP_C_UTFSTRING);

    OPERATION(GuiThongDiep); OPERATION(KiemTraThongDiep); OPERATION(LayCapNhat); OPERATION(LayThongDiep);
    OPERATION(TraCuuHoSo); OPERATION(TrangThaiThongDiep); OPERATION(CapNhatTienDoHoSoMC); OPERATION(DongBoHoSoMC);

    GuiThongDiep_in.NoiDung = binary(message, size);
    MUST(GuiThongDiep);
    printf("sent %d\n", GuiThongDiep_out.TraLoi->KetQua == ns1__KetQuaXuLyType__accepted);
    FILE *receipt = fopen("bien-nhan.xml", "wb");
    fwrite(GuiThongDiep_out.TraLoi->BienNhan.__ptr, 1, GuiThongDiep_out.TraLoi->BienNhan.__size, receipt);
    fclose(receipt);
    KiemTraThongDiep_in.NoiDung = binary(wrong, 4);
    MUST(KiemTraThongDiep);
    printf("checked %s\n", KiemTraThongDiep_out.TraLoi->DanhSachLoi->Loi[0].MaChiTiet);
    MUST(LayCapNhat);
    printf("newest %ld\n", (long)LayCapNhat_out.TraLoi->MoiNhat);
    LayThongDiep_in.MaThongDiep = GuiThongDiep_out.TraLoi->SoTiepNhan;
    MUST(LayThongDiep);
    printf("original %d\n", (size_t)LayThongDiep_out.TraLoi->NoiDung.__size == size
                                && memcmp(LayThongDiep_out.TraLoi->NoiDung.__ptr, message, size) == 0);
    TraCuuHoSo_in.MaHoSo = code;
    MUST(TraCuuHoSo);
    printf("dossier %d\n", strcmp(TraCuuHoSo_out.TraLoi->MaHoSo, code) == 0);
    TrangThaiThongDiep_in.MaThongDiep = GuiThongDiep_out.TraLoi->MaThongDiep;
    MUST(TrangThaiThongDiep);
    printf("fate %d\n", TrangThaiThongDiep_out.TraLoi->KetQua == ns1__KetQuaXuLyType__accepted);

    struct ns1__GoiCapNhatTienDoHoSoMCStructure step = {0};
    step.MaHoSo = code; step.NguoiXuLy = "A"; step.ThoiDiemXuLy = "20260116080000"; step.TrangThai = "4";
    CapNhatTienDoHoSoMC_in.__sizeGoi = 1; CapNhatTienDoHoSoMC_in.Goi = &step;
    MUST(CapNhatTienDoHoSoMC);
    printf("packet %s\n", CapNhatTienDoHoSoMC_out.TraLoi->DanhSachKetQuaGoi->KetQuaGoi[0].DanhSachLoi->Loi[0].MaChiTiet);
    struct ns1__GoiDongBoHoSoMCStructure whole = {0};
    whole.MaHoSo = code; whole.MaTTHC = "1"; whole.TenTTHC = "x"; whole.MaLinhVuc = "x"; whole.TenLinhVuc = "x";
    whole.LoaiDoiTuong = "1"; whole.NgayTiepNhan = "x"; whole.TrangThaiHoSo = "2"; whole.HinhThuc = "0"; whole.DonViXuLy = "x";
    DongBoHoSoMC_in.__sizeGoi = 1; DongBoHoSoMC_in.Goi = &whole;
    MUST(DongBoHoSoMC);
    printf("sync %s\n", DongBoHoSoMC_out.TraLoi->DanhSachKetQuaGoi->KetQuaGoi[0].DanhSachLoi->Loi[0].MaChiTiet);

    GuiThongDiep_in.NoiDung = binary(wrong, 4);
    if (CALL(GuiThongDiep) == SOAP_OK || !soap->fault) return 1;
    struct SOAP_ENV__Detail *detail = version == 1 ? soap->fault->detail : soap->fault->SOAP_ENV__Detail;
    if (!detail || !detail->ns1__LoiXuLy) { soap_print_fault(soap, stderr); return 1; }
    printf("fault %s %s\n", *soap_faultcode(soap), detail->ns1__LoiXuLy->DanhSachLoi->Loi[0].MaChiTiet);
    GuiThongDiep_in.NoiDung = binary(message, size);
    for (int n = 6; n < count; n++) {  /* walls, "name url token": what a log would show of them */
        char name[100], where[500], other[500];
        if (sscanf(arguments[n], "%99s %499s %499s", name, where, other) != 3) return 2;
        url = where;
        token = other;
        if (CALL(GuiThongDiep) == SOAP_OK || !soap->fault) return 1;
        printf("%s %s\n", name, *soap_faultstring(soap));
    }
    return 0;
}
