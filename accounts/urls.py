from __future__ import annotations

from django.urls import path

from accounts.views import audit, keys, members, notifications, profile, security, team

app_name = "accounts"
urlpatterns = [
    path("settings/", profile.settings_home, name="settings"),
    path("settings/profile/", profile.profile, name="profile"),
    path("settings/security/", security.security, name="security"),
    path("settings/security/sessions/end-others/", security.sessions_end_others, name="sessions_end_others"),
    path("settings/security/sessions/<int:session_id>/end/", security.session_end, name="session_end"),
    path("settings/security/clients/<uuid:family_id>/end/", security.client_end, name="client_end"),
    path("settings/notifications/", notifications.notification_choices, name="notification_choices"),
    path("notifications/", notifications.notification_list, name="notification_list"),
    path("notifications/read/", notifications.notifications_read, name="notifications_read"),
    path("notifications/<uuid:notification_id>/open/", notifications.notification_open, name="notification_open"),
    path("settings/team/", team.team_settings, name="team_settings"),
    path("settings/team/transfer/", team.team_transfer, name="team_transfer"),
    path("settings/team/leave/", team.team_leave, name="team_leave"),
    path("settings/team/delete/", team.team_delete, name="team_delete"),
    path("settings/members/", members.members, name="members"),
    path("settings/members/<uuid:user_id>/role/", members.member_role, name="member_role"),
    path("settings/members/<uuid:user_id>/remove/", members.member_remove, name="member_remove"),
    path("settings/invitations/<uuid:invitation_id>/resend/", members.invitation_resend, name="invitation_resend"),
    path("settings/invitations/<uuid:invitation_id>/revoke/", members.invitation_revoke, name="invitation_revoke"),
    path("settings/api-keys/", keys.api_keys, name="api_keys"),
    path("settings/api-keys/<uuid:key_id>/revoke/", keys.api_key_revoke, name="api_key_revoke"),
    path("settings/audit/", audit.audit_log, name="audit_log"),
    path("settings/audit/export/", audit.audit_export, name="audit_export"),
]
