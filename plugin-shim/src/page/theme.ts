/**
 * Headlamp's theme as CSS custom properties, the only colours and fonts that the page's style sheet knows.
 *
 * Not Rust: the theme is an object in a React context.
 */
import type { Theme } from '@mui/material';
import { MuiMaterial } from './headlamp';

/** Contrast that text needs against what is behind it (WCAG 2.2, 1.4.3). */
const LEGIBLE = 4.5;
/** In how many steps a colour is taken to black or white. */
const STEPS = 10;

/** The custom properties for a theme. Tones (error and so on) are legible as text on both backgrounds. */
export function propertiesOf(theme: Theme): Record<string, string> {
  const { palette, typography, shape } = theme;
  return {
    'color-scheme': palette.mode,
    '--cv-bg': palette.background.default,
    '--cv-paper': palette.background.paper,
    '--cv-text': palette.text.primary,
    '--cv-muted': palette.text.secondary,
    '--cv-primary': palette.primary.main,
    '--cv-on-primary': palette.primary.contrastText,
    '--cv-hover': palette.action.hover,
    '--cv-divider': palette.divider,
    '--cv-error': legible(palette.error.main, theme),
    '--cv-warning': legible(palette.warning.main, theme),
    '--cv-success': legible(palette.success.main, theme),
    '--cv-info': legible(palette.info.main, theme),
    '--cv-font': typography.fontFamily ?? 'sans-serif',
    '--cv-mono': "'Overpass Mono', ui-monospace, Menlo, Consolas, monospace",
    '--cv-radius': `${shape.borderRadius}px`,
  };
}

/**
 * `color`, taken towards white or black until it can be read as text. Headlamp's dark theme has a red that
 * can't. Themes come from plugins too, so a colour in a notation that can't be measured stays as it is.
 */
function legible(color: string, { palette }: Theme): string {
  const { getContrastRatio, lighten, darken } = MuiMaterial;
  const adjust = palette.mode === 'dark' ? lighten : darken;
  const { default: page, paper } = palette.background;
  // MUI measures the older notation alone, `rgb(1, 2, 3)`; Headlamp has a colour in the newer one.
  const measurable = color.replace(/(\d) +(?=\d)/g, '$1, ');
  try {
    for (let step = 0; step <= STEPS; step++) {
      const tone = step ? adjust(measurable, step / STEPS) : color;
      const from = step ? tone : measurable;
      const contrast = Math.min(getContrastRatio(from, page), getContrastRatio(from, paper));
      if (Number.isNaN(contrast) || contrast >= LEGIBLE) {
        return tone;
      }
    }
  } catch {
    // Not a notation that MUI knows.
  }
  return color;
}
