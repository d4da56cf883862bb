// Says so where a browser cannot read the page's modules, or where they do not start, and nothing else would be shown. No
// module itself, and in words that every browser knows.

(function () {
  function unfit() {
    document.getElementById("unfit").hidden = false;
  }

  function stopped(error) {
    if (document.body.hasAttribute("data-started")) return;
    if (error instanceof SyntaxError) unfit();
    else if (document.getElementById("unfit").hidden) document.getElementById("not-started").hidden = false;
  }

  if (!("noModule" in document.createElement("script"))) addEventListener("DOMContentLoaded", unfit);
  // A script that does not come tells its own element alone, which only a listener on the way down hears.
  addEventListener(
    "error",
    function (event) {
      if (event.target !== window && event.target.tagName !== "SCRIPT") return;
      if (document.readyState !== "loading") stopped(event.error);
      else addEventListener("DOMContentLoaded", function () { stopped(event.error); });
    },
    true,
  );
})();
