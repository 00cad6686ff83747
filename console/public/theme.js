// Before the first paint: the theme that was chosen, so that a dark page never flashes white.
// A file of its own because the content policy allows no script inside the page.
(function () {
  try {
    var theme = localStorage.getItem('spandrel.theme');
    if (theme === 'light' || theme === 'dark') {
      document.documentElement.dataset.theme = theme;
    }
  } catch (error) {
    // Storage is forbidden: the system's theme is used.
  }
})();
