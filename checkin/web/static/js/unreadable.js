// Says so where a browser cannot read the page's modules, and nothing else would be shown. No module itself, and in words
// that every browser knows.

(function () {
  function say() {
    document.getElementById("unfit").hidden = false;
  }

  if (!("noModule" in document.createElement("script"))) addEventListener("DOMContentLoaded", say);
  addEventListener("error", function (event) {
    if (event.error instanceof SyntaxError && !document.body.hasAttribute("data-started")) say();
  });
})();
