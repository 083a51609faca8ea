/**
 * The least page that a plugin can have: a heading and a button, there when Headlamp starts, with nothing to
 * load and nothing to ask. The benchmark divides Crossview's times by this one's.
 */
(function () {
  const { React, registerRoute, registerSidebarEntry } = window.pluginLib;

  function BarePage() {
    const [clicks, setClicks] = React.useState(0);
    return React.createElement(
      'section',
      { className: 'bare' },
      React.createElement('h1', null, 'Bare'),
      React.createElement('button', { onClick: () => setClicks(clicks + 1) }, `Clicks: ${clicks}`)
    );
  }

  registerSidebarEntry({
    parent: 'cluster',
    name: 'bare',
    label: 'Bare',
    url: '/bare',
    icon: 'mdi:sitemap',
    useClusterURL: true,
  });
  registerRoute({
    path: '/bare',
    sidebar: 'bare',
    name: 'Bare',
    isFullWidth: true,
    useClusterURL: true,
    component: BarePage,
  });
})();
