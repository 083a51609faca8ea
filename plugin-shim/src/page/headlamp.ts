/** Headlamp's libraries, as the page uses them; see ../headlamp. */
export const { ApiProxy, Headlamp, K8s, MuiMaterial, React } = pluginLib;
