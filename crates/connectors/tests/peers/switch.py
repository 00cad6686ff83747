"""A command line like that of a switch, as the forced command of an SSH server: echo, prompt,
pages, unknown commands. Writes every command it gets to a file."""

import os
import sys
import tty

tty.setraw(0)
log, paged = open(sys.argv[1], "a"), sys.argv[2] == "paged"
CONFIG = ["Building configuration...", "", "Current configuration : 2048 bytes", "!",
          "! Last configuration change at 03:12:07 UTC Tue Mar 10 2026 by eva", "!",
          "hostname sw1", "username eva privilege 15 secret 5 $1$x$y"]
for port in range(1, 49):
    CONFIG += [f"interface GigabitEthernet1/0/{port}", " switchport access vlan 10"]
CONFIG += ["snmp-server community plant RO", "ntp clock-period 17179869", "end"]


def say(text):
    os.write(1, text.encode())


def key():
    return os.read(0, 1).decode()


def show(lines):
    for number, line in enumerate(lines):
        if paged and number and number % 20 == 0:
            say(" --More-- ")
            if key() != " ":
                say("\r\n")
                return
            say("\b" * 10 + " " * 10 + "\b" * 10)
        say(line + "\r\n")


say("\r\n*** Only for staff #\r\n\r\nsw1#")
command = ""
while True:
    letter = key()
    if letter == "":
        break
    if letter not in "\r\n":
        command += letter
        say(letter)
        continue
    say("\r\n")
    log.write(command + "\n")
    log.flush()
    match command:
        case "exit":
            break
        case "terminal length 0":
            paged = False if sys.argv[2] == "modern" else paged
        case "terminal width 0" | "":
            pass
        case "show running-config":
            show(CONFIG)
        case "show version":
            show(["Version 15.2(7)E", "sw1 uptime is 1 week, 2 days", "24 ports"])
        case _:
            say("   ^\r\n% Invalid input detected at '^' marker.\r\n\r\n")
    say("sw1#")
    command = ""
