import themes from '@kinvolk/headlamp-plugin/lib/components/App/defaultAppThemes';
import { createMuiTheme } from '@kinvolk/headlamp-plugin/lib/lib/themes';
import { createTheme, getContrastRatio } from '@mui/material/styles';
import { describe, expect, test } from 'vitest';
import { propertiesOf } from './theme';

/** MUI measures `rgb(1, 2, 3)`, but not `rgb(1 2 3)`. */
const withCommas = (color = '') => color.replace(/(\d) +(?=\d)/g, '$1, ');

describe.each(themes.map(theme => [theme.name, createMuiTheme(theme)] as const))(
  'in Headlamp’s theme %s',
  (_, theme) => {
    const properties = propertiesOf(theme);

    test('every property has a value', () => {
      for (const value of Object.values(properties)) {
        expect(value).toMatch(/./);
      }
    });

    test.each(['text', 'error', 'warning', 'success', 'info'])('%s can be read', tone => {
      for (const background of ['bg', 'paper']) {
        const ratio = getContrastRatio(
          withCommas(properties[`--cv-${tone}`]),
          withCommas(properties[`--cv-${background}`])
        );
        expect(ratio).toBeGreaterThanOrEqual(4.5);
      }
    });
  }
);

test('a colour that can be read stays as it is', () => {
  const theme = createTheme({ palette: { error: { main: '#900000' } } });

  expect(propertiesOf(theme)['--cv-error']).toBe('#900000');
});

// Themes come from plugins too, and MUI can't measure every notation of CSS.
test('a colour that can not be measured stays as it is', () => {
  const theme = createTheme();
  theme.palette.background.paper = 'canvas';

  expect(propertiesOf(theme)['--cv-error']).toBe(theme.palette.error.main);
});
