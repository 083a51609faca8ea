/**
 * Headlamp's libraries, from the one global object in which Headlamp has them.
 *
 * Importing them by their package names comes to the same, but the build then wraps the script in a loader
 * for every module system there is: a fifth of what main.js may weigh.
 */

/** As much of the global object as both halves of the plugin use. */
interface PluginLib
  extends Pick<
    typeof import('@kinvolk/headlamp-plugin/lib'),
    'ApiProxy' | 'Headlamp' | 'K8s' | 'registerRoute' | 'registerSidebarEntry'
  > {
  readonly MuiMaterial: typeof import('@mui/material');
  readonly React: typeof import('react');
}

declare global {
  // eslint-disable-next-line no-var -- nothing else declares a global variable
  var pluginLib: PluginLib;
}

export const { ApiProxy, MuiMaterial, React, registerRoute, registerSidebarEntry } = pluginLib;
