// The words of Sphinx's search in Vietnamese. Its own catalogue has only some of them, and is loaded by a way that a strict policy forbids.
if (document.documentElement.lang === "vi") {
  const found = "Có ${resultCount} trang phù hợp.";
  Documentation.LOCALE = "vi";
  Object.assign(Documentation.TRANSLATIONS, {
    "Search Results": "Kết quả tìm kiếm",
    "Searching": "Đang tìm",
    "Preparing search...": "Đang chuẩn bị…",
    "Search finished, found one page matching the search query.": [found, found],
    "Your search did not match any documents. Please make sure that all words are spelled correctly and that you've selected enough categories.":
      "Không có trang nào chứa mọi từ đã nhập.",
    "Hide Search Matches": "Bỏ đánh dấu từ tìm được",
    ", in ": ", trong ",
  });
}
