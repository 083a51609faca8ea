/** Headlamp's layout: a bar above, the sidebar at the left, the page in the rest. */
import { Icon } from '@iconify/react';
import { ActivitiesRenderer } from '@kinvolk/headlamp-plugin/lib/components/activity/Activity.js';
import { AppLogo } from '@kinvolk/headlamp-plugin/lib/components/App/AppLogo.js';
import RouteSwitcher, {
  PreviousRouteProvider,
} from '@kinvolk/headlamp-plugin/lib/components/App/RouteSwitcher.js';
import { setTheme } from '@kinvolk/headlamp-plugin/lib/components/App/themeSlice.js';
import Sidebar from '@kinvolk/headlamp-plugin/lib/components/Sidebar/index.js';
import LocaleSelect from '@kinvolk/headlamp-plugin/lib/i18n/LocaleSelect/LocaleSelect.js';
import { useTypedSelector } from '@kinvolk/headlamp-plugin/lib/redux/hooks.js';
import { Box, IconButton, Toolbar } from '@mui/material';
import { useDispatch } from 'react-redux';

export function Frame() {
  const barHidden = useTypedSelector(state => state.ui.hideAppBar);
  const wide = useTypedSelector(state => state.ui.isFullWidth);
  return (
    <PreviousRouteProvider>
      <Box sx={{ height: '100dvh', display: 'flex', flexDirection: 'column', overflow: 'hidden' }}>
        {!barHidden && <Bar />}
        {/* Sidebar and activities place themselves in this grid. */}
        <Box
          sx={{
            flex: 1,
            minHeight: 0,
            display: 'grid',
            gridTemplate: '1fr min-content / min-content minmax(0, 1fr)',
          }}
        >
          <Sidebar />
          <Box
            component="main"
            id="main"
            sx={{ gridArea: '1 / 2', overflow: 'auto', position: 'relative' }}
          >
            <Box
              sx={{
                height: '100%',
                ...(wide ? {} : { maxWidth: 1280, mx: 'auto', px: 3 }),
              }}
            >
              <RouteSwitcher requiresToken={() => false} />
            </Box>
          </Box>
          <ActivitiesRenderer />
        </Box>
      </Box>
    </PreviousRouteProvider>
  );
}

function Bar() {
  const dispatch = useDispatch();
  const name = useTypedSelector(state => state.theme.name);
  return (
    <Toolbar
      component="header"
      sx={({ palette }) => ({
        gap: 1,
        color: palette.navbar.color,
        bgcolor: palette.navbar.background,
        borderBottom: 1,
        borderColor: 'divider',
      })}
    >
      <AppLogo logoType="large" themeName={name} />
      <Box sx={{ flex: 1 }} />
      <LocaleSelect />
      <IconButton
        aria-label="Toggle theme"
        color="inherit"
        onClick={() => dispatch(setTheme(name === 'dark' ? 'light' : 'dark'))}
      >
        <Icon icon="mdi:theme-light-dark" />
      </IconButton>
    </Toolbar>
  );
}
