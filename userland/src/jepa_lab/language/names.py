# SPDX-License-Identifier: Apache-2.0
"""Names that no word list knows, for the encoder to learn a name by where it stands."""

import random
from typing import Final

_REAL: Final = """
gparted hexchat calibre rawtherapee hugin shotcut flameshot guvcview openrgb solaar corectrl gnucash
kmymoney stellarium kstars celestia qalculate bitwarden keepassxc joplin zettlr obsidian logseq anki
mumble teamspeak murmur icecast liquidsoap snapcast navidrome airsonic subsonic lidarr sonarr radarr
prowlarr bazarr sabnzbd nzbget overseerr tautulli immich lychee piwigo mealie tandoor grocy firefly
bookstack dokuwiki mediawiki wordpress ghost hugo strapi directus supabase pocketbase minio seaweedfs
ceph glusterfs drbd pacemaker corosync keepalived bird frr quagga strongswan openconnect pihole
unbound-control crowdsec suricata snort zeek wazuh ossec graylog fluentd fluentbit vector logstash kibana
jaeger tempo mimir thanos cortex victoriametrics netdata checkmk sensu uptimekuma gatus healthchecks
woodpecker drone concourse argocd fluxcd tekton spinnaker harbor nexus artifactory verdaccio sonarqube
renovate mattermost rocketchat zulip synapse dendrite conduit matterbridge ejabberd asterisk freeswitch
kamailio jitsi-videobridge bigbluebutton peertube owncast nginx-rtmp restreamer shinobi motioneye
scrypted esphome zwavejs deconz openhab domoticz nodered tasmota valetudo klipper moonraker mainsail
fluidd cura prusaslicer kicad ngspice gnuradio gqrx sdrangel wsjtx fldigi direwolf qgroundcontrol
ardupilot gazebo rviz foxglove paraview openfoam salome gmsh elmer calculix lammps gromacs namd vasp
quantumespresso cp2k orca psi4 rdkit pymol chimera avogadro jmol snakemake nextflow cromwell galaxy
airflow prefect dagster luigi dask ray spark flink beam hadoop hive presto trino druid pinot superset
metabase redash tableau godot unity unreal bevy ogre irrlicht openttd freeciv wesnoth supertux nethack
dwarffortress terraria valheim rust-server stardew cities factions teeworlds hedgewars openra widelands
zeroad luanti doomsday quakespasm ioquake dolphin-emu retroarch
"""
_ON: Final = (
    "b",
    "br",
    "c",
    "d",
    "dr",
    "f",
    "g",
    "gr",
    "k",
    "kl",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "qu",
    "r",
    "s",
    "st",
    "t",
    "tr",
    "v",
    "z",
)
_MID: Final = ("a", "e", "i", "o", "u", "ai", "oo", "y")
_OFF: Final = ("", "n", "r", "x", "l", "ck", "m", "d", "t", "s")


REAL: Final = tuple(_REAL.split())


def invented(chance: random.Random) -> str:
    """A name: a real one that is not common, or one of no meaning."""
    if chance.random() < 0.6:
        return chance.choice(REAL)
    syllables = ("".join(map(chance.choice, (_ON, _MID, _OFF))) for _ in range(chance.choice((2, 2, 3))))
    return "".join(syllables) + chance.choice(("", "", "", "d", "db", "ctl"))
