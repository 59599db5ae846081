// Asks for the page again every few seconds and puts its new content in, unless somebody is at work in it.
(function () {
  "use strict";
  var main = document.querySelector("main[data-fresh]");
  if (!main) { return; }
  var turns = setInterval(function () {
    if (document.hidden || main.contains(document.activeElement) && document.activeElement !== main) { return; }
    fetch(location.href, { credentials: "same-origin", headers: { Accept: "text/html" } }).then(function (answer) {
      return answer.ok ? answer.text() : null;
    }).then(function (text) {
      var fresh = text && new DOMParser().parseFromString(text, "text/html").querySelector("main");
      if (!fresh) { return; }
      main.replaceChildren.apply(main, Array.from(fresh.childNodes));
      if (!fresh.dataset.fresh) { clearInterval(turns); }
    }).catch(function () {});
  }, 1000 * Number(main.dataset.fresh));
}());
